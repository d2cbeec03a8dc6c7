"""Packed layers say what plain ones say; where they cannot be had, plain ones are what one gets."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model.kernels import packed

CPU = torch.device("cpu")
ACTIVATIONS = {"none": lambda x: x, "gelu": F.gelu, "relu6": F.relu6}
FORMATS = [torch.float32, torch.bfloat16, torch.float64]


def close(ours, theirs):
    digits = {"atol": 0.02, "rtol": 0.02} if ours.dtype == torch.bfloat16 else {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(ours, theirs, **digits)


@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 70), st.integers(1, 70)),
    activation=st.sampled_from(list(ACTIVATIONS)),
    dtype=st.sampled_from(FORMATS),
)
@settings(deadline=None, max_examples=60)
def test_a_linear_layer(shape, activation, dtype):
    rows, wide, out = shape
    draw = torch.Generator().manual_seed(rows * wide + out)
    x, weight = (torch.randn(n, wide, generator=draw).to(dtype) for n in (rows, out))
    bias = torch.randn(out, generator=draw).to(dtype)
    with torch.inference_mode():
        theirs = ACTIVATIONS[activation](F.linear(x, weight, bias))
        close(packed.linear(weight, bias, activation)(x), theirs)


@given(
    kernel=st.sampled_from([1, 3, 5]),
    stride=st.sampled_from([1, 2]),
    side=st.sampled_from([2, 4, 6, 14, 28]),
    depthwise=st.booleans(),
    activation=st.sampled_from(["none", "relu6"]),
    dtype=st.sampled_from(FORMATS),
)
@settings(deadline=None, max_examples=60)
def test_a_convolution(kernel, stride, side, depthwise, activation, dtype):
    from timm.layers import create_conv2d  # here: each of pytest-xdist's workers imports every test file

    torch.manual_seed(kernel * side)
    conv = create_conv2d(16, 16, kernel, stride=stride, padding="same", depthwise=depthwise, bias=True).to(dtype)
    x = torch.randn(2, 16, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        ours = packed.convolution(conv.weight, conv.bias, activation, stride=stride, groups=conv.groups)(x)
        close(ours, ACTIVATIONS[activation](conv(x)))
    assert ours.is_contiguous(memory_format=torch.channels_last)


def test_packing_is_tried_and_not_assumed(monkeypatch):
    assert not packed.packs(CPU, torch.float64)  # oneDNN has none
    assert not packed.packs(torch.device("meta"), torch.float32)
    monkeypatch.setattr(packed, "_packed_linear", lambda *_: torch.ops.mkldnn.gone)
    assert not packed.packs.__wrapped__(CPU, torch.float32)


def test_this_torch_has_them():
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this torch was built without oneDNN")
    assert packed.packs(CPU, torch.float32)
