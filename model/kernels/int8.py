"""Linear layers in 8-bit integers, for processors that multiply those faster than any float they have.

Each channel c of an input is read as x_c = s_c u_c + m_c with u_c of 8 bits between the bounds it was seen in (shifts:
Wei et al., 2023, arXiv:2304.09145); s_c goes into the weights, which have 8 bits and a scale for each output. A few
loud channels, which would leave the others of a row of weights without digits, stay floats (Dettmers et al., 2022,
arXiv:2208.07339). Bounds are fixed once, so that an answer does not depend on what else is in a batch.

VNNI adds products in 32 bits. AVX2 without it adds two of them in 16 and cuts what passes these: there weights are
scaled until two neighbours seldom do, and inputs have fewer levels, so that weights may be larger.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple, cast

import torch
from torch import Tensor

from model.kernels.packed import FUSED, Activation, Operation, linear

LOUD, _MOST_LOUD = 6, 16
"""Input channels so many times as loud as half of a layer's stay floats, at most 16: one of 1,536 may be ten times as
loud as all others."""
MARGIN = 1.1
"""How far beyond what was seen an input may go before it is cut."""
_LEVELS, _FEWER, _WEIGHT = 255, 190, 127
"""Of inputs, of inputs where two products must not pass 16 bits, and of weights of one sign."""
_SKEWED = -0.17, 1.2, _LEVELS
"""GELU's outputs: none is below this. Most are small and few large, so that what is seen of the upper bound says least,
and levels say most: these layers' inputs, cut or rounded, were most of what 8 bits changed in texts' vectors."""
_SUM = 32767
"""What two neighbouring products may add up to."""
_TOGETHER = 149
"""The level at which two neighbours' inputs may stand at once before their sum is cut."""
_ROWS = 1024
_HALF = (-65504, 65504)
_IN_PLACE: dict[Activation, Operation] = {
    "none": lambda x: x,
    "gelu": torch.ops.aten.gelu_.default,
    "relu6": torch.ops.aten.relu6_.default,
}


class Seen(NamedTuple):
    """What inputs [n, in] were like in each channel [in]."""

    low: Tensor
    high: Tensor
    mean: Tensor

    @classmethod
    def of(cls, x: Tensor) -> Seen:
        """Of x [n, in]."""
        return cls(x.amin(0), x.amax(0), x.mean(0))

    @classmethod
    def joined(cls, parts: Sequence[Seen]) -> Seen:
        """Of several inputs of like size."""
        low, high, mean = (torch.stack(each) for each in zip(*parts, strict=True))
        return cls(low.amin(0), high.amax(0), mean.mean(0))

    @classmethod
    def read(cls, kept: Tensor) -> Seen:
        """As :meth:`kept` wrote it."""
        return cls(*kept.float())

    def kept(self) -> Tensor:
        """To be stored: [3, in] float16."""
        return torch.stack(self).clamp(*_HALF).half()


class Watched:
    """A float layer that notes what it was given in each channel, and can become 8-bit later."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: Activation = "none") -> None:
        self._layer = weight, bias, activation
        self.float = linear(weight, bias, activation)
        self.wide = weight.shape[1]
        self._seen: list[Seen] = []

    def __call__(self, x: Tensor) -> Tensor:
        """What the float layer gives for x [n, in]."""
        self._seen.append(Seen.of(x))
        return self.float(x)

    @property
    def seen(self) -> Seen:
        """What it was given so far; at least once."""
        return Seen.joined(self._seen)

    def eight_bit(self, seen: Seen) -> Operation:
        """The same layer in 8 bit, for inputs like those seen."""
        return eight_bit(*self._layer, seen)


def eight_bit(weight: Tensor, bias: Tensor, activation: Activation, seen: Seen) -> Operation:
    """``activation(x @ weight.T + bias)`` of x [n, in], in even, with channels like those ``seen``.

    weight is [out, in], bias [out], all float32. What lies far outside the bounds is cut to them.
    """
    low, high, levels = _bounds(seen)
    middle, half = (high + low) / 2, ((high - low) / 2).clamp_min(1e-6)
    loudness = half * weight.abs().amax(0)
    count = min(int((loudness > LOUD * loudness.median()).sum()), _MOST_LOUD)
    loud = loudness.topk(count).indices
    loudly = weight[:, loud].t().contiguous()
    quiet = weight.index_fill(1, loud, 0)
    step = half * 2 / levels
    integers, scale = rounded(quiet * step, _TOGETHER)
    ready = torch.ops.onednn.qlinear_prepack(integers, [_ROWS, weight.shape[1]])
    inverse, origin = 1 / step, levels / 2 - middle / step
    # Right for the mean input, whatever rounding did to the weights.
    shifted = bias + quiet @ seen.mean - (integers * scale[:, None]) @ (origin + seen.mean * inverse)
    origin = origin + 0.5  # what follows is cut to an integer, not rounded
    none = torch.zeros(len(weight), dtype=torch.int32)
    run = torch.ops.onednn.qlinear_pointwise.default
    rest = (ready, scale, none, shifted, 1.0, 0, torch.float32, *FUSED["none" if count else activation])
    act = _IN_PLACE[activation]

    def apply(x: Tensor) -> Tensor:
        u = cut(torch.addcmul(origin, x, inverse), levels)
        y = cast("Tensor", run(u, 1.0, 0, *rest))
        return act(y.addmm_(x.index_select(1, loud), loudly)) if count else y

    return apply


def cut(x: Tensor, levels: int) -> Tensor:
    """Floats as uint8 from 0 to ``levels``, what follows the point dropped; ``x`` is written over.

    By way of 16 bits: torch has vectors for both steps, and none from floats to uint8, which takes five times as long.
    """
    return x.clamp_(0, levels).to(torch.int16).to(torch.uint8)


def _bounds(seen: Seen) -> tuple[Tensor, Tensor, int]:
    """Where inputs are cut [in] below and above, and how many levels lie between."""
    least, margin, levels = _SKEWED
    if bool((seen.low >= least).all()):
        low = torch.full_like(seen.low, least)
        return low, low + (seen.high - low) * margin, levels
    beyond = (seen.high - seen.low) / 2 * (MARGIN - 1)
    return seen.low - beyond, seen.high + beyond, levels_here()


def levels_here() -> int:
    """Of inputs of either sign, on this processor."""
    return _LEVELS if wide() else _FEWER


def rounded(weight: Tensor, levels: int) -> tuple[Tensor, Tensor]:
    """Weights [out, in], in even, as integers of 8 bits, and the scale of each output [out].

    No two neighbours pass 16 bits with inputs of at most ``levels``, where they must not.
    """
    most = torch.inf if wide() else _SUM / levels

    def pairs(of: Tensor) -> Tensor:
        signs = torch.stack((of.clamp_min(0), -of.clamp_max(0)))
        return signs.view(2, len(of), -1, 2).sum(3).amax((0, 2))

    scale = torch.maximum(pairs(weight) / most, weight.abs().amax(1) / _WEIGHT).clamp_min(1e-12)
    integers = (weight / scale[:, None]).round()
    over = pairs(integers) > most  # by rounding: two halves up
    integers[over] = (weight[over] / scale[over, None]).trunc()
    return integers.to(torch.int8), scale


@cache
def wide() -> bool:
    """Whether products are added in 32 bits here, as VNNI does it, tried on the largest ones."""
    x, weight = torch.full((64, 64), _LEVELS, dtype=torch.uint8), torch.full((64, 64), _WEIGHT, dtype=torch.int8)
    ready = torch.ops.onednn.qlinear_prepack(weight, [64, 64])
    rest = (torch.ones(64), torch.zeros(64, dtype=torch.int32), None, 1.0, 0, torch.float32, *FUSED["none"])
    return bool((torch.ops.onednn.qlinear_pointwise(x, 1.0, 0, ready, *rest) == 64 * _LEVELS * _WEIGHT).all())


@cache
def works() -> bool:
    """Whether oneDNN has these layers here and AVX2 at least to run them, tried on a small one."""
    if not torch.cpu._is_avx2_supported():  # noqa: SLF001 - it has no public name
        return False
    draw = torch.Generator().manual_seed(0)
    x, weight = torch.randn(64, 64, generator=draw), torch.randn(64, 64, generator=draw)
    try:
        y = eight_bit(weight, weight[0], "gelu", Seen.of(x))(x)
    except (RuntimeError, AttributeError, TypeError):
        return False
    expected = linear(weight, weight[0], "gelu")(x)
    return bool((y - expected).norm() < 0.05 * expected.norm())
