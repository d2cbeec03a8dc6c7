"""Linear layers in 8-bit integers, for processors that multiply those faster than any float they have.

Each channel c of an input is read as x_c = s_c u_c + m_c with u_c of 8 bits between the bounds it was seen in (shifts:
Wei et al., 2023, arXiv:2304.09145); s_c goes into the weights, which have 8 bits and a scale for each output. A few
loud channels, which would leave the others of a row of weights without digits, stay floats (Dettmers et al., 2022,
arXiv:2208.07339). Bounds are fixed once, so that an answer does not depend on what else is in a batch.

AVX2 adds two products in 16 bits and cuts what passes them. So weights are scaled until no two neighbours can.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, cast

import torch
from torch import Tensor

from model.kernels.packed import FUSED, Activation, Operation, linear

LOUD = 16
"""Input channels of a layer that stay floats: one of a layer's 1,536 may be ten times as loud as all others."""
MARGIN = 1.2
"""How far beyond what was seen an input may go before it is cut."""
_LEVELS, _WEIGHT = 255, 127
_PAIR = 32767 / _LEVELS
"""What two neighbouring weights may add up to, so that both at their loudest fit 16 bits."""
_ROWS = 1024
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


class Watched:
    """A float layer that keeps what it was given in each channel, to become 8-bit later."""

    def __init__(self, weight: Tensor, bias: Tensor, activation: Activation = "none") -> None:
        self._layer = weight, bias, activation
        self.float = linear(weight, bias, activation)
        self._seen: list[Seen] = []

    def __call__(self, x: Tensor) -> Tensor:
        """What the float layer gives for x [n, in]."""
        self._seen.append(Seen.of(x))
        return self.float(x)

    def eight_bit(self) -> Operation:
        """The same layer in 8 bit, for inputs like those seen."""
        low, high, mean = (torch.stack(each) for each in zip(*self._seen, strict=True))
        return eight_bit(*self._layer, Seen(low.amin(0), high.amax(0), mean.mean(0)))


def eight_bit(weight: Tensor, bias: Tensor, activation: Activation, seen: Seen) -> Operation:
    """``activation(x @ weight.T + bias)`` of x [n, in], in even, with channels like those ``seen``.

    weight is [out, in], bias [out], all float32. What lies far outside the bounds is cut to them.
    """
    middle, half = (seen.high + seen.low) / 2, ((seen.high - seen.low) / 2 * MARGIN).clamp_min(1e-6)
    loud = (half * weight.abs().amax(0)).topk(min(LOUD, weight.shape[1])).indices
    loudly = weight[:, loud].t().contiguous()
    quiet = weight.index_fill(1, loud, 0)
    step = half * 2 / _LEVELS
    integers, scale = _rounded(quiet * step)
    ready = torch.ops.onednn.qlinear_prepack(integers, [_ROWS, weight.shape[1]])
    inverse, origin = 1 / step, _LEVELS / 2 - middle / step
    # Right for the mean input, whatever rounding did to the weights.
    shifted = bias + quiet @ seen.mean - (integers * scale[:, None]) @ (origin + seen.mean * inverse)
    origin = origin + 0.5  # what follows is cut to an integer, not rounded
    none = torch.zeros(len(weight), dtype=torch.int32)
    run = torch.ops.onednn.qlinear_pointwise.default
    rest = (ready, scale, none, shifted, 1.0, 0, torch.float32, *FUSED["none"])
    act = _IN_PLACE[activation]

    def apply(x: Tensor) -> Tensor:
        u = torch.addcmul(origin, x, inverse).clamp_(0, _LEVELS).to(torch.uint8)
        y = cast("Tensor", run(u, 1.0, 0, *rest))
        return act(y.addmm_(x.index_select(1, loud), loudly))

    return apply


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weights [out, in] as integers of 8 bits and the scale of each output [out]; no two neighbours pass ``_PAIR``."""

    def pairs(of: Tensor) -> Tensor:
        signs = torch.stack((of.clamp_min(0), -of.clamp_max(0)))
        return signs.view(2, len(of), -1, 2).sum(3).amax((0, 2))

    scale = torch.maximum(pairs(weight) / _PAIR, weight.abs().amax(1) / _WEIGHT).clamp_min(1e-12)
    integers = (weight / scale[:, None]).round()
    over = pairs(integers) > _PAIR  # by rounding: two halves up
    integers[over] = (weight[over] / scale[over, None]).trunc()
    return integers.to(torch.int8), scale


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
