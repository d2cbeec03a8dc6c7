"""EfficientNet-lite0's layers (Tan and Le, 2019, arXiv:1905.11946) and two ways through them: in floats and in 8 bit.

A norm and an activation are part of the convolution before them. In 8 bit all but the first run on integers; between
blocks, where branches are added, channels are floats.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from model.kernels.int8 import LEVELS, Seen
from model.kernels.int8_convolution import Grid, eight_bit, rows
from model.kernels.packed import Activation, Operation, convolution

WIDTH = 1280
"""Entries of a vector that are the network's own pooled features; the fusion reads these."""
_POOLED = {15: 192, 16: 320}
"""Blocks whose outputs' means and maxima follow, by their place among all, and their channels."""
DETAILED = WIDTH + 2 * sum(_POOLED.values())
"""Entries of a whole vector."""
_BLOCKS = 16
_HALVING = frozenset({1, 3, 5, 11})
"""Blocks at stride 2: the first of stages 2, 3, 4 and 6."""
_EPS = 1e-3
"""Of the norms, as in TensorFlow."""
_DEEP_LEVELS = 255
"""Of a depthwise layer's inputs, whose products add up in 32 bits."""


class Convolution(NamedTuple):
    """One layer: weight [out, in / groups, k, k], bias [out]."""

    weight: Tensor
    bias: Tensor
    activation: Activation
    stride: int

    @property
    def groups(self) -> int:
        """1, or as many as channels."""
        return 1 if self.weight.shape[1] > 1 else len(self.weight)

    def floats(self, device: torch.device, dtype: torch.dtype) -> Operation:
        """Its operation in a float format."""
        weight, bias = (each.to(device, dtype) for each in (self.weight, self.bias))
        return convolution(weight, bias, self.activation, stride=self.stride, groups=self.groups)


Blocks = list[list[Convolution]]


def folded(state: Mapping[str, Tensor]) -> Blocks:
    """The layers of weights by the package's names: the first one, 16 blocks, the last one."""

    def layer(conv: str, norm: str, activation: Activation, stride: int = 1) -> Convolution:
        scale, shift, mean, variance = (
            state[f"{norm}.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
        )
        both = fuse_conv_bn_weights(state[f"{conv}.weight"], None, mean, variance, _EPS, scale, shift)
        weight, bias = (each.detach() for each in both)
        return Convolution(weight, bias, activation, stride)

    blocks = [[layer("_conv_stem", "_bn0", "relu6", stride=2)]]
    for number in range(_BLOCKS):
        block, stride = f"_blocks.{number}", 2 if number in _HALVING else 1
        steps = [layer(f"{block}._expand_conv", f"{block}._bn0", "relu6")] if number else []
        steps.append(layer(f"{block}._depthwise_conv", f"{block}._bn1", "relu6", stride))
        steps.append(layer(f"{block}._project_conv", f"{block}._bn2", "none"))
        blocks.append(steps)
    return [*blocks, [layer("_conv_head", "_bn1", "relu6")]]


def in_floats(
    blocks: Blocks, device: torch.device, dtype: torch.dtype, made: Callable[[Operation], Operation] = lambda run: run
) -> Operation:
    """Pooled features [b, 2304] float32 of pixels [b, 224, 224, 3] uint8; ``made`` may wrap each layer's operation."""
    first, *others = [[made(each.floats(device, dtype)) for each in block] for block in blocks]
    return lambda pixels: _pooled(first, others, pixels.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1)


def in_eight_bit(blocks: Blocks, seen: Sequence[Seen]) -> Operation:
    """The same in 8 bit on a CPU, for photos of which the layers were given what was ``seen``."""
    left = iter(seen)
    grids = [[_grid(layer, next(left)) for layer in block] for block in blocks]
    first = [each.floats(torch.device("cpu"), torch.float32) for each in blocks[0]]
    others = []
    for block, of in zip(blocks[1:], grids[1:], strict=True):
        wanted = [*of[1:], block[-1].activation]
        steps = [
            eight_bit(layer.weight, layer.bias, given, then, stride=layer.stride, groups=layer.groups)
            for layer, given, then in zip(block, of, wanted, strict=True)
        ]
        others.append([of[0].read(), *steps])
    return lambda pixels: _pooled(first, others, pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)


def _pooled(first: Sequence[Operation], others: Sequence[Sequence[Operation]], x: Tensor) -> Tensor:
    """All blocks' operations over x [b, 3, 224, 224], and what they put out, pooled [b, 2304] float32."""
    x = _through(first, x)
    *middle, last = others
    pooled = []
    for number, block in enumerate(middle, 1):
        y = _through(block, x)
        x = y.add_(x) if y.shape == x.shape else y
        if number in _POOLED:
            pooled += [x.mean((2, 3)), x.amax((2, 3))]
    return torch.cat([_through(last, x).mean((2, 3)), *pooled], 1).float()


def watched(blocks: Blocks, photos: Sequence[Tensor]) -> list[Seen]:
    """What each layer is given for ``photos``, batches of like size [b, 224, 224, 3] uint8."""
    notes: list[list[Seen]] = []

    def noted(run: Operation) -> Operation:
        mine: list[Seen] = []
        notes.append(mine)

        def noting(x: Tensor) -> Tensor:
            mine.append(Seen.of(rows(x)))
            return run(x)

        return noting

    run = in_floats(blocks, torch.device("cpu"), torch.float32, noted)
    for batch in photos:
        run(batch)
    return [Seen.joined(parts) for parts in notes]


def _grid(layer: Convolution, seen: Seen) -> Grid:
    if layer.groups > 1:
        return Grid.of_relu6(seen, _DEEP_LEVELS)
    return Grid.of_relu6(seen, LEVELS) if layer.activation == "none" else Grid.of(seen, LEVELS)


def _through(steps: Sequence[Operation], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x
