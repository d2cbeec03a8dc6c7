"""Layers with oneDNN's packed weights and an activation fused in, as torch's compiler makes them for a CPU.

The compiler itself takes minutes and a C++ compiler; the operations it calls for these layers are in every torch, but
have no public name. So they are tried once, and where one fails (another processor, device, number format or torch) the
plain operations serve. Packed weights give what plain ones give, bit for bit; a fused GELU is more exact, since its
input is not rounded to bfloat16 first.
"""
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

Activation = Literal["none", "gelu", "relu6"]
Operation = Callable[[Tensor], Tensor]

_PLAIN: dict[Activation, Operation] = {"none": lambda x: x, "gelu": F.gelu, "relu6": F.relu6}
FUSED: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "gelu": ("gelu", [], "none"),  # "none": not approximated by tanh
    "relu6": ("hardtanh", [0.0, 6.0], ""),
}
"""oneDNN's name of an activation, its numbers and its algorithm."""
_ROWS = 1024
"""How many rows at once weights are packed for; any number works."""


def linear(weight: Tensor, bias: Tensor, activation: Activation = "none") -> Operation:
    """``activation(x @ weight.T + bias)`` of x [n, in], weight [out, in] and bias [out], for inference."""
    if packs(weight.device, weight.dtype):
        return _packed_linear(weight.detach(), bias, activation)
    act = _PLAIN[activation]
    return lambda x: act(F.linear(x, weight, bias))


def convolution(weight: Tensor, bias: Tensor, activation: Activation, *, stride: int = 1, groups: int = 1) -> Operation:
    """A convolution of x [b, in, h, w], channels last, even sides, by weight [out, in / groups, k, k], for inference.

    ``bias`` may be of a wider format than weight and x. Padded as TensorFlow does ("SAME"): at stride 2 one pixel more
    behind than in front.
    """
    weight = weight.contiguous(memory_format=torch.channels_last)
    if packs(weight.device, weight.dtype):
        return _packed_convolution(weight.detach(), bias, activation, stride, groups)
    act, kernel, bias = _PLAIN[activation], weight.shape[-1], bias.to(weight.dtype)
    missing = max(kernel - stride, 0)
    sides = (missing // 2, missing - missing // 2) * 2
    return lambda x: act(F.conv2d(F.pad(x, sides), weight, bias, stride, groups=groups))


def of_constant(weight: Tensor, x: Tensor) -> Tensor:
    """What such a convolution, padding left aside, makes of channels that are x [in] everywhere: [out].

    weight is [out, in / groups, k, k] of one group, or of as many as there are channels.
    """
    taps = weight.sum((2, 3))
    return taps.squeeze(1) * x if taps.shape[1] < len(x) else taps @ x


@cache
def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN's operations work here, tried on small layers."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    x, weight = torch.ones(2, 8, dtype=dtype), torch.ones(8, 8, dtype=dtype)
    try:
        _packed_linear(weight, weight[0], "gelu")(x)
        _packed_convolution(weight[..., None, None], weight[0].float(), "relu6", 1, 1)(x[..., None, None])
    except (RuntimeError, AttributeError, TypeError):
        return False
    return True


def counted() -> dict[Any, Callable[..., int]]:
    """Floating-point operations of the packed linear layers, as ``custom_mapping`` of torch's ``FlopCounterMode``."""

    def of_linear(x: Sequence[int], *_: object, out_shape: Sequence[int]) -> int:
        return 2 * x[-1] * prod(out_shape)

    # A torch without oneDNN has no such operation, and would not be asked for it.
    there = packs(torch.device("cpu"), torch.float32)
    if not there:
        return {}
    return {torch.ops.mkldnn._linear_pointwise: of_linear, torch.ops.onednn.qlinear_pointwise: of_linear}


def _packed_linear(weight: Tensor, bias: Tensor, activation: Activation) -> Operation:
    ready = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
    run, fused = torch.ops.mkldnn._linear_pointwise.default, FUSED[activation]
    return lambda x: cast("Tensor", run(x, ready, bias, *fused))


def _packed_convolution(weight: Tensor, bias: Tensor, activation: Activation, stride: int, groups: int) -> Operation:
    weight, padding = same(weight, stride)
    form = ([padding] * 2, [stride] * 2, [1, 1], groups)
    ready = torch.ops.mkldnn._reorder_convolution_weight(weight, *form)
    run, fused = torch.ops.mkldnn._convolution_pointwise.default, FUSED[activation]
    return lambda x: cast("Tensor", run(x, ready, bias, *form, *fused))


def same(weight: Tensor, stride: int) -> tuple[Tensor, int]:
    """A kernel [out, in / groups, k, k], channels last, and oneDNN's padding, for TensorFlow's "SAME" on even sides.

    oneDNN pads alike on all sides: at stride 2 a row and a column of zeros lie on what is too much in front.
    """
    padding = weight.shape[-1] // 2
    if stride == 2 and padding:
        weight = F.pad(weight, (1, 0, 1, 0))
    return weight.contiguous(memory_format=torch.channels_last), padding
