"""Layers with oneDNN's packed weights and an activation fused in, as torch's compiler makes them for a CPU.

The compiler itself takes minutes and a C++ compiler; the operations it calls for these layers are in every torch, but
have no public name. So they are tried once, and where one fails (another processor, device, number format or torch) the
plain operations serve. Packed weights give what plain ones give, bit for bit; a fused GELU is more exact, since its
input is not rounded to bfloat16 first.
"""
# ruff: noqa: SLF001

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Activation = Literal["none", "gelu", "relu6"]
Operation = Callable[[Tensor], Tensor]

_PLAIN: dict[Activation, Operation] = {"none": lambda x: x, "gelu": F.gelu, "relu6": F.relu6}
_FUSED: dict[Activation, tuple[str, list[float], str]] = {
    "none": ("none", [], ""),
    "gelu": ("gelu", [], "none"),  # "none": not approximated by tanh
    "relu6": ("hardtanh", [0.0, 6.0], ""),
}
_ROWS = 1024
"""How many rows at once weights are packed for; any number works."""


def linear(weight: Tensor, bias: Tensor, activation: Activation = "none") -> Operation:
    """``activation(x @ weight.T + bias)`` of x [n, in], weight [out, in] and bias [out], for inference."""
    if packs(weight.device, weight.dtype):
        return _packed_linear(weight.detach(), bias, activation)
    act = _PLAIN[activation]
    return lambda x: act(F.linear(x, weight, bias))


def convolution(conv: nn.Conv2d, activation: Activation, *, same: bool = False) -> Operation:
    """``activation(conv(x))`` for inference on images of even sides, channels last.

    ``same`` is TensorFlow's padding at stride 2: one pixel more behind than in front.
    """
    if packs(conv.weight.device, conv.weight.dtype):
        return _packed_convolution(conv, activation, same=same)
    act = _PLAIN[activation]
    return lambda x: act(conv(x))


@cache
def packs(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether oneDNN's operations work here, tried on small layers."""
    if device.type != "cpu" or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    x, weight = torch.ones(2, 8, dtype=dtype), torch.ones(8, 8, dtype=dtype)
    try:
        _packed_linear(weight, weight[0], "gelu")(x)
        _packed_convolution(nn.Conv2d(8, 8, 1, dtype=dtype).requires_grad_(False), "relu6", same=False)(
            x[..., None, None]
        )
    except (RuntimeError, AttributeError, TypeError):
        return False
    return True


def _packed_linear(weight: Tensor, bias: Tensor, activation: Activation) -> Operation:
    ready = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), _ROWS)
    run, fused = torch.ops.mkldnn._linear_pointwise.default, _FUSED[activation]
    return lambda x: cast("Tensor", run(x, ready, bias, *fused))


def _packed_convolution(conv: nn.Conv2d, activation: Activation, *, same: bool) -> Operation:
    weight, padding = conv.weight.detach(), [int(side) for side in conv.padding]
    if same:
        # oneDNN pads alike on all sides: a row and a column of zeros in the kernel lie on what is too much in front.
        weight, padding = F.pad(weight, (1, 0, 1, 0)), [side // 2 for side in conv.kernel_size]
    weight = weight.contiguous(memory_format=torch.channels_last)
    form = (padding, list(conv.stride), list(conv.dilation), conv.groups)
    ready = torch.ops.mkldnn._reorder_convolution_weight(weight, *form)
    run, bias, fused = torch.ops.mkldnn._convolution_pointwise.default, conv.bias, _FUSED[activation]
    return lambda x: cast("Tensor", run(x, ready, bias, *form, *fused))
