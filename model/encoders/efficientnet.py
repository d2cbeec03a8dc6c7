"""EfficientNet-lite0's layers (Tan and Le, 2019, arXiv:1905.11946) and two ways through them: in floats and in 8 bit.

A norm and an activation are part of the convolution before them. In 8 bit all but the first run on integers; between
blocks, where branches are added, channels are floats. The network's end, its last block and the convolution after it,
may be there more than once: all are given the same and each makes a vector.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor
from torch.nn.utils.fusion import fuse_conv_bn_weights

from model.kernels.int8 import Seen, levels_here
from model.kernels.int8_convolution import Grid, eight_bit, rows
from model.kernels.packed import Activation, Operation, convolution, of_constant
from model.scorer import ModelRefusedError

WIDTH = 1280
"""Entries of the vector of one end."""
_BLOCKS = 16
_TRUNK = _BLOCKS
"""What all ends share: the first convolution and all blocks but the last."""
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

    @property
    def inputs(self) -> int:
        """Its input's channels."""
        return self.weight.shape[1] * self.groups

    def floats(self, device: torch.device, dtype: torch.dtype) -> Operation:
        """Its operation in a float format; the bias stays float32 where that is possible."""
        weight, bias = self.weight.to(device, dtype), self.bias.to(device)
        return convolution(weight, bias, self.activation, stride=self.stride, groups=self.groups)

    def rounded(self, dtype: torch.dtype, seen: Seen) -> Self:
        """The same with weights rounded to ``dtype``, right for the mean input of those ``seen``."""
        weight = self.weight.to(dtype).float()
        return self._replace(weight=weight, bias=self.bias + of_constant(self.weight - weight, seen.mean))


Blocks = list[list[Convolution]]
"""The first convolution, 15 blocks, and any number of ends."""


def folded(state: Mapping[str, Tensor]) -> Blocks:
    """The layers of weights by the package's names."""

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
    return [*blocks[:_TRUNK], [*blocks[_TRUNK], layer("_conv_head", "_bn1", "relu6")]]


def tuned(end: Sequence[Convolution], own: Mapping[str, Tensor]) -> tuple[list[Convolution], list[Seen]]:
    """An end with other weights, and what its layers are given for photos.

    ``own`` has ``I.weight`` and ``I.bias`` of the end's layer I and ``I.seen`` [3, in] (:meth:`Seen.kept`).

    Raises:
        ModelRefusedError: it is not of such an end.
    """
    wanted = {
        f"{i}.{name}": shape
        for i, (weight, bias, *_) in enumerate(end)
        for name, shape in (("weight", weight.shape), ("bias", bias.shape), ("seen", (3, end[i].inputs)))
    }
    if {name: value.shape for name, value in own.items()} != wanted:
        raise ModelRefusedError("its own photo layers are another encoder's: train the model again with this version")
    layers = [
        each._replace(weight=own[f"{i}.weight"].float(), bias=own[f"{i}.bias"].float()) for i, each in enumerate(end)
    ]
    return layers, [Seen.read(own[f"{i}.seen"]) for i in range(len(end))]


def rounded(blocks: Blocks, dtype: torch.dtype, seen: Sequence[Seen]) -> Blocks:
    """The layers for a float format: what rounding of weights does to photos like those ``seen`` is put right."""
    left = iter(seen)
    return [[layer.rounded(dtype, next(left)) for layer in block] for block in blocks]


def in_floats(
    blocks: Blocks, device: torch.device, dtype: torch.dtype, made: Callable[[Operation], Operation] = lambda run: run
) -> Operation:
    """Pooled features [b, 1280 an end] float32 of pixels [b, 224, 224, 3] uint8.

    ``made`` may wrap each layer's operation.
    """
    steps = [[made(each.floats(device, dtype)) for each in block] for block in blocks]
    return lambda pixels: _pooled(steps, _scaled(pixels, dtype))


def before_ends(blocks: Blocks, device: torch.device, dtype: torch.dtype) -> Operation:
    """What every end is given, [b, 192, 7, 7], of pixels [b, 224, 224, 3] uint8."""
    steps = [[each.floats(device, dtype) for each in block] for block in blocks[:_TRUNK]]
    return lambda pixels: _shared(steps, _scaled(pixels, dtype))


def in_eight_bit(blocks: Blocks, seen: Sequence[Seen]) -> Operation:
    """The same in 8 bit on a CPU, for photos of which the layers were given what was ``seen``."""
    left = iter(seen)
    grids = [[_grid(layer, next(left)) for layer in block] for block in blocks]
    steps = [[each.floats(torch.device("cpu"), torch.float32) for each in blocks[0]]]
    for block, of in zip(blocks[1:], grids[1:], strict=True):
        wanted = [*of[1:], block[-1].activation]
        run = [
            eight_bit(layer.weight, layer.bias, given, then, stride=layer.stride, groups=layer.groups)
            for layer, given, then in zip(block, of, wanted, strict=True)
        ]
        steps.append([of[0].read(), *run])
    return lambda pixels: _pooled(steps, _scaled(pixels, torch.float32))


def _scaled(pixels: Tensor, dtype: torch.dtype) -> Tensor:
    return pixels.permute(0, 3, 1, 2).to(dtype) / 127.5 - 1


def _shared(steps: Sequence[Sequence[Operation]], x: Tensor) -> Tensor:
    for block in steps:
        y = _through(block, x)
        x = y.add_(x) if y.shape == x.shape else y
    return x


def _pooled(steps: Sequence[Sequence[Operation]], x: Tensor) -> Tensor:
    """All operations over x [b, 3, 224, 224], and what each end puts out, pooled, side by side."""
    x = _shared(steps[:_TRUNK], x)
    return torch.cat([_through(end, x).float().mean((2, 3)) for end in steps[_TRUNK:]], 1)


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
    return (Grid.of_relu6 if layer.activation == "none" else Grid.of)(seen, levels_here())


def _through(steps: Sequence[Operation], x: Tensor) -> Tensor:
    for step in steps:
        x = step(x)
    return x
