"""BERT's forward pass (Devlin et al., 2019, arXiv:1810.04805) as a server runs it: transformers' numbers, sooner.

Five things differ from ``transformers``. Only attention sees padding. The three projections of a layer are one product,
and one gather sets them apart by head. Linear layers have packed weights, with GELU fused in. And attention is two
plain products around a softmax in float32: at the length of a tweet, torch's fused attention takes twice as long on a
CPU, and the bfloat16 softmax three times.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from model.kernels.int8 import Seen, Watched
from model.kernels.packed import Operation, linear
from model.kernels.sizes import few
from model.scorer import ModelRefusedError

Weights = Mapping[str, Tensor]
"""A BertModel's state by transformers' names."""
Make = Callable[..., Operation]
"""Makes a layer of weight [out, in], bias [out] and an activation's name, as :func:`model.kernels.packed.linear`."""


@dataclass(frozen=True, slots=True)
class _Layer:
    project: Operation
    """To query, key and value, side by side [3 width]; the query is divided by sqrt(width of a head)."""
    out: Operation
    after_attention: Operation
    up: Operation
    down: Operation
    after_all: Operation

    @classmethod
    def of(cls, weights: Weights, prefix: str, scale: float, eps: float, make: Make = linear) -> Self:
        names = [f"{prefix}.attention.self.{name}" for name in ("query", "key", "value")]
        scales = (scale, 1.0, 1.0)
        weight, bias = (
            torch.cat([weights[f"{name}.{kind}"] * by for name, by in zip(names, scales, strict=True)])
            for kind in ("weight", "bias")
        )
        return cls(
            project=make(weight, bias),
            out=make(*_pair(weights, f"{prefix}.attention.output.dense")),
            after_attention=_norm(weights, f"{prefix}.attention.output.LayerNorm", eps),
            up=make(*_pair(weights, f"{prefix}.intermediate.dense"), "gelu"),
            down=make(*_pair(weights, f"{prefix}.output.dense")),
            after_all=_norm(weights, f"{prefix}.output.LayerNorm", eps),
        )

    @property
    def watched(self) -> dict[str, Watched]:
        """The watched operations by name."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: each for name, each in parts.items() if isinstance(each, Watched)}

    def settled(self, part: Callable[[str, Watched], Operation]) -> Self:
        """The layer with a part of each watched operation in its place."""
        return replace(self, **{name: part(name, each) for name, each in self.watched.items()})


def _pair(weights: Weights, name: str) -> tuple[Tensor, Tensor]:
    return weights[f"{name}.weight"], weights[f"{name}.bias"]


def _norm(weights: Weights, name: str, eps: float) -> Operation:
    weight, bias = _pair(weights, name)
    return lambda x: F.layer_norm(x, weight.shape, weight, bias, eps)


def _eight_bit(ranges: Mapping[str, Tensor], layer: int, name: str, watched: Watched) -> Operation:
    return watched.eight_bit(Seen.read(ranges[f"{layer}.{name}"]))


class ServedBert:
    """A BERT encoder's embeddings and layers, for inference.

    Args:
        weights: All of its final weights, on the device and in the format that it computes in.
        config: What its ``config.json`` says; :meth:`fits` tells which will do.
        words: Rows [..., width] of word ids [...], where ``weights`` has no table of them.
        make: Makes the linear layers.
        padded: Whether padding goes through all layers, so that no size depends on what rows hold: a GPU need not be
            asked for it, and few sizes make few graphs.
    """

    def __init__(
        self,
        weights: Weights,
        config: Mapping[str, Any],
        words: Callable[[Tensor], Tensor] | None = None,
        make: Make = linear,
        *,
        padded: bool = False,
    ) -> None:
        self._tokens = _Padded if padded else _Tokens
        self.heads, eps = int(config["num_attention_heads"]), float(config["layer_norm_eps"])
        if words is None:
            table = weights["embeddings.word_embeddings.weight"]
            self._words: Callable[[Tensor], Tensor] = lambda ids: F.embedding(ids, table)
        else:
            self._words = words
        types = weights["embeddings.token_type_embeddings.weight"]
        self._added = weights["embeddings.position_embeddings.weight"] + types[0]
        self._norm = _norm(weights, "embeddings.LayerNorm", eps)
        scale = (int(config["hidden_size"]) / self.heads) ** -0.5
        layers = [f"encoder.layer.{i}" for i in range(int(config["num_hidden_layers"]))]
        self._layers = [_Layer.of(weights, layer, scale, eps, make) for layer in layers]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._added.device

    @staticmethod
    def fits(config: Mapping[str, Any]) -> bool:
        """Whether this is a plain BERT encoder: what this class knows how to run."""
        plain = config.get("position_embedding_type", "absolute") == "absolute" and not config.get("is_decoder")
        return config.get("model_type") == "bert" and config.get("hidden_act") == "gelu" and plain

    def ranges(self) -> dict[str, Tensor]:
        """What the layers, which must be ``Watched``, have seen, [3, in] by their names (:meth:`Seen.kept`)."""
        return {
            f"{i}.{name}": each.seen.kept()
            for i, layer in enumerate(self._layers)
            for name, each in layer.watched.items()
        }

    def eight_bit(self, ranges: Mapping[str, Tensor]) -> Self:
        """Another like it that multiplies in 8 bit, within the ``ranges`` of these layers, which must be ``Watched``.

        These see no more from now on.

        Raises:
            ModelRefusedError: the ranges are of other layers.
        """
        wanted = {
            f"{i}.{name}": each.wide for i, layer in enumerate(self._layers) for name, each in layer.watched.items()
        }
        if {name: (3, wide) for name, wide in wanted.items()} != {name: each.shape for name, each in ranges.items()}:
            raise ModelRefusedError(
                "the ranges of the 8-bit text layers do not fit the text encoder: they are another one's"
            )
        quick = copy(self)
        quick._layers = [layer.settled(partial(_eight_bit, ranges, i)) for i, layer in enumerate(self._layers)]  # noqa: SLF001 - it is one of us
        self._layers = [layer.settled(lambda _, watched: watched.float) for layer in self._layers]
        return quick

    def __call__(self, ids: Tensor, lengths: Tensor) -> Tensor:
        """The last layer's states [b, L, width] of token ids [b, L]; 0 past a row's length [b]."""
        tokens = self._tokens(ids, lengths, self.heads)
        x = self._norm(self._words(tokens.ids).to(self._added.dtype) + F.embedding(tokens.positions, self._added))
        for layer in self._layers:
            x = self._pass(layer, x, tokens)
        states = tokens.apart(x)
        return states if tokens.padding is None else states.masked_fill_(tokens.padding.unsqueeze(-1), 0)

    def _pass(self, layer: _Layer, x: Tensor, tokens: _Tokens | _Padded) -> Tensor:
        query, key, value = tokens.heads(layer.project(x))
        scores = torch.matmul(query, key.transpose(-1, -2))
        if tokens.mask is not None:
            scores = scores + tokens.mask
        shares = scores.softmax(-1, dtype=torch.float32).to(x.dtype)
        read = tokens.together(torch.matmul(shares, value))
        x = layer.after_attention(layer.out(read).add_(x))
        return layer.after_all(layer.down(layer.up(x)).add_(x))


class _Tokens:
    """The tokens of rows of unlike length: together [n, ...] without padding, or apart [b, L, ...] with it.

    Layers see them together, only attention needs them apart: a fifth of a batch of real posts would be padding. n is
    one of few sizes, up to an eighth too large, with tokens that nobody reads. What is freed of one pass then fits the
    next one, too: the more sizes, the more holes in the heap.
    """

    def __init__(self, ids: Tensor, lengths: Tensor, heads: int) -> None:
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        real = positions < lengths.unsqueeze(1)
        row, place = real.nonzero().unsqueeze(2).unbind(1)
        self.padding = None if len(row) == real.numel() else ~real
        """Where rows have no token [b, L]; None where they all are full."""
        self.mask = _mask(self.padding)
        """What is added to scores [b, heads, L, L]."""
        first = (lengths.cumsum(0) - lengths).unsqueeze(1)
        self._sources = first + torch.where(real, positions, 0)
        head, part = (torch.arange(count, device=ids.device) for count in (heads, 3))
        self._apart = (self._sources.unsqueeze(1) * 3 + part[:, None, None, None]) * heads + head.unsqueeze(1)
        self._together = (row * heads + head) * ids.shape[1] + place
        self.ids, self.positions = (F.pad(x[real], (0, few(len(row), 8, 16) - len(row))) for x in (ids, positions))

    def heads(self, x: Tensor) -> Sequence[Tensor]:
        """Query, key and value [b, heads, L, w] of tokens [n, 3 heads w].

        What stands for padding is the row's first token: writing tokens between zeros takes eight times as long.
        """
        pieces = x.view(-1, x.shape[1] // (3 * self._together.shape[1]))
        return pieces.index_select(0, self._apart.flatten()).view(*self._apart.shape, -1).unbind(0)

    def together(self, x: Tensor) -> Tensor:
        """Heads [b, heads, L, w] as tokens [n, heads w]."""
        count, heads = self._together.shape
        out = x.new_zeros(len(self.ids), heads * x.shape[-1])
        pieces = x.reshape(-1, x.shape[-1])
        torch.index_select(pieces, 0, self._together.flatten(), out=out[:count].view(-1, x.shape[-1]))
        return out

    def apart(self, x: Tensor) -> Tensor:
        """Tokens [n, w] as rows [b, L, w]; the row's first token stands for padding."""
        return x.index_select(0, self._sources.flatten()).view(*self._sources.shape, -1)


class _Padded:
    """The same with padding left where it is: tokens [b * L, ...] are rows [b, L, ...]."""

    def __init__(self, ids: Tensor, lengths: Tensor, heads: int) -> None:
        self._shape, self._heads = ids.shape, heads
        positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
        self.padding: Tensor | None = positions >= lengths.unsqueeze(1)
        self.mask = _mask(self.padding)
        self.ids, self.positions = ids.flatten(), positions.flatten()

    def heads(self, x: Tensor) -> Sequence[Tensor]:
        """Query, key and value [b, heads, L, w] of tokens [b * L, 3 heads w]."""
        return x.view(*self._shape, 3, self._heads, -1).permute(2, 0, 3, 1, 4).unbind(0)

    def together(self, x: Tensor) -> Tensor:
        """Heads [b, heads, L, w] as tokens [b * L, heads w]."""
        return x.transpose(1, 2).flatten(2).flatten(0, 1)

    def apart(self, x: Tensor) -> Tensor:
        """Tokens x [b * L, w] as rows [b, L, w]."""
        return x.view(*self._shape, -1)


def _mask(padding: Tensor | None) -> Tensor | None:
    """Minus infinity [b, 1, 1, L] where there is ``padding`` [b, L], else 0."""
    if padding is None:
        return None
    return torch.zeros(padding.shape, device=padding.device).masked_fill_(padding, float("-inf"))[:, None, None]
