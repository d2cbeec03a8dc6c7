"""Convolutions in 8-bit integers, each of which makes its output in the steps of the next one.

As :mod:`model.kernels.int8` has it for linear layers: bounds of each channel are fixed once, and a channel's step goes
into the weights. What is cut to the ends of the next layer's grid has been through its ReLU6, so that one is free.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple, Self, cast

import torch
from torch import Tensor

from model.kernels.int8 import Seen, cut, levels_here, rounded
from model.kernels.packed import FUSED, Activation, Operation, convolution, of_constant, same

MARGIN = 1.2
"""How far beyond what was seen an input may go before it is cut."""


class Grid(NamedTuple):
    """How channels of x [b, c, h, w] are read as integers u: x_c = step_c u_c + low_c, u_c from 0 to ``levels``."""

    low: Tensor
    step: Tensor
    mean: Tensor
    """Of x in each channel, where it was seen."""
    levels: int

    @classmethod
    def of(cls, seen: Seen, levels: int) -> Self:
        """For channels of either sign."""
        middle, half = (seen.high + seen.low) / 2, ((seen.high - seen.low) / 2 * MARGIN).clamp_min(1e-6)
        return cls(middle - half, half * 2 / levels, seen.mean, levels)

    @classmethod
    def of_relu6(cls, seen: Seen, levels: int) -> Self:
        """For what comes from a ReLU6."""
        return cls(torch.zeros_like(seen.high), (seen.high * MARGIN).clamp(1e-3, 6) / levels, seen.mean, levels)

    def read(self) -> Operation:
        """Floats, channels last, as integers of this grid."""
        # What follows is cut to an integer, not rounded.
        scale, origin = (each[:, None, None] for each in (1 / self.step, 0.5 - self.low / self.step))
        return lambda x: cut(torch.addcmul(origin, x, scale), self.levels)


def eight_bit(
    weight: Tensor, bias: Tensor, given: Grid, wanted: Grid | Activation, *, stride: int = 1, groups: int = 1
) -> Operation:
    """As :func:`model.kernels.packed.convolution`, of integers of a grid.

    weight is [out, in / groups, k, k]. Either k is 1 and in even, or in / groups is 1 and ``given`` begins at zero,
    which is what padding is. Out come integers of ``wanted``,
    after a ReLU6 where that is a ReLU6's grid, or floats after an activation.
    """
    if groups > 1:
        integers, scales = _each_rounded(weight * given.step[:, None, None, None])
    else:
        flat, scales = rounded((weight * given.step[:, None, None]).flatten(1), given.levels)
        integers = flat.view_as(weight)
    # Right for the mean input, whatever rounding did to the weights.
    units = (given.mean - given.low) / given.step
    shifted = bias + of_constant(weight, given.mean) - of_constant(integers.float(), units) * scales
    if isinstance(wanted, Grid):
        scales, shifted = scales / wanted.step, (shifted - wanted.low) / wanted.step
        made, fused = torch.uint8, ("hardtanh", [0.0, float(wanted.levels)], "")
    else:
        made, fused = torch.float32, FUSED[wanted]
    kernel, padding = same(integers, stride)
    form = ([stride] * 2, [padding] * 2, [1, 1], groups)
    ready = torch.ops.onednn.qconv_prepack(kernel, scales, 1.0, 0, *form)
    rest = (ready, scales, torch.zeros(len(weight), dtype=torch.int32), shifted, *form, 1.0, 0, made, *fused)
    run = torch.ops.onednn.qconv_pointwise.default
    return lambda u: cast("Tensor", run(u, 1.0, 0, *rest))


def _each_rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """One channel's kernels [c, 1, k, k] as integers of 8 bits and the scale of each [c]: they add up in 32 bits."""
    scale = (weight.abs().amax((1, 2, 3)) / 127).clamp_min(1e-12)
    return (weight / scale[:, None, None, None]).round().to(torch.int8), scale


@cache
def works() -> bool:
    """Whether oneDNN has these convolutions here and AVX2 at least to run them, tried on small ones.

    With as many levels as :func:`~model.kernels.int8.levels_here` gives the layers, asked of oneDNN like the rest.
    """
    if not torch.cpu._is_avx2_supported():  # noqa: SLF001 - it has no public name
        return False
    draw = torch.Generator().manual_seed(0)
    x, middle = torch.rand(2, 8, 8, 8, generator=draw), torch.randn(8, 8, 1, 1, generator=draw)
    deep = torch.randn(8, 1, 3, 3, generator=draw)
    bias = torch.randn(8, generator=draw)
    x = x.contiguous(memory_format=torch.channels_last)
    between = convolution(middle, bias, "relu6")(x)
    expected = convolution(deep, bias, "relu6", stride=2, groups=8)(between)
    try:
        first, second = (Grid.of_relu6(Seen.of(rows(each)), levels_here()) for each in (x, between))
        u = eight_bit(middle, bias, first, second)(first.read()(x))
        said = eight_bit(deep, bias, second, "relu6", stride=2, groups=8)(u)
    except (RuntimeError, AttributeError, TypeError):
        return False
    return said.shape == expected.shape and bool((said - expected).norm() < 0.05 * expected.norm())


def rows(x: Tensor) -> Tensor:
    """Channels last, x [b, c, h, w] as rows [b h w, c]."""
    return x.permute(0, 2, 3, 1).flatten(0, 2)
