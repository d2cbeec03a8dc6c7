"""8-bit convolutions say nearly what float ones say, hand on integers, and never overflow."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.kernels import int8_convolution
from model.kernels.int8 import Seen, levels_here
from model.kernels.int8_convolution import Grid, eight_bit, rows
from model.kernels.packed import convolution

pytestmark = pytest.mark.skipif(not int8_convolution.works(), reason="no 8-bit convolutions on this processor")


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def last(x):
    return x.contiguous(memory_format=torch.channels_last)


def full(channels, high, levels):
    """A grid of a ReLU6 that was seen from 0 to ``high``."""
    high = torch.full((channels,), high)
    return Grid.of_relu6(Seen(high * 0, high, high / 2), levels)


@given(
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([1, 2]),
    channels=st.sampled_from([8, 24, 96]),
    side=st.sampled_from([4, 14]),
    levels=st.sampled_from([127, 190, 255]),
)
@settings(deadline=None, max_examples=30)
def test_a_block_is_near_the_float_one(kernel, stride, channels, side, levels):
    x = last(drawn(side, 2, channels, side, side) + torch.arange(channels)[:, None, None] / channels)
    widen, deep, narrow = (
        drawn(1, 2 * channels, channels, 1, 1) / channels**0.5,
        drawn(2, 2 * channels, 1, kernel, kernel) / kernel,
        drawn(3, channels, 2 * channels, 1, 1) / channels**0.5,
    )
    bias = drawn(4, 2 * channels)
    first = convolution(widen, bias, "relu6")(x)
    second = convolution(deep, bias, "relu6", stride=stride, groups=2 * channels)(first)
    expected = convolution(narrow, bias[:channels], "none")(second)
    given, between, after = (
        Grid.of(Seen.of(rows(x)), levels),
        Grid.of_relu6(Seen.of(rows(first)), 255),
        Grid.of_relu6(Seen.of(rows(second)), levels),
    )
    u = eight_bit(widen, bias, given, between)(given.read()(x))
    assert u.dtype is torch.uint8
    u = eight_bit(deep, bias, between, after, stride=stride, groups=2 * channels)(u)
    assert int(u.max()) <= levels
    said = eight_bit(narrow, bias[:channels], after, "none")(u)
    assert said.is_contiguous(memory_format=torch.channels_last)
    assert (said - expected).norm() < 0.06 * expected.norm()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("levels", [127, 190, 255])
def test_nothing_overflows_where_all_inputs_and_weights_are_at_their_loudest(sign, levels):
    given, x = full(64, 5.0, levels), last(torch.full((1, 64, 6, 6), 5.0))
    across, deep = torch.full((8, 64, 1, 1), 3.0 * sign), torch.full((64, 1, 5, 5), 3.0 * sign)
    for weight, groups in ((across, 1), (deep, 64)):
        bias = torch.zeros(len(weight))
        said = eight_bit(weight, bias, given, "none", groups=groups)(given.read()(x))
        assert said == pytest.approx(convolution(weight, bias, "none", groups=groups)(x), rel=0.02)


def test_what_lies_outside_the_bounds_is_cut_and_does_no_harm_to_other_photos():
    x, weight = last(drawn(0, 3, 16, 4, 4)), drawn(1, 8, 16, 1, 1)
    given = Grid.of(Seen.of(rows(x)), 190)
    run, read = eight_bit(weight, torch.zeros(8), given, "relu6"), given.read()
    wild = x.clone(memory_format=torch.channels_last)
    wild[0] = 1e9
    assert torch.equal(run(read(wild))[1:], run(read(x))[1:])
    assert torch.equal(run(read(x[1:])), run(read(x))[1:])
    assert run(read(wild)).isfinite().all()


def test_they_are_tried_with_the_levels_that_are_used_here(monkeypatch):
    tried = []

    def watched(weight, bias, given, *rest, **more):
        tried.append(given.levels)
        return eight_bit(weight, bias, given, *rest, **more)

    monkeypatch.setattr(int8_convolution, "eight_bit", watched)
    assert int8_convolution.works.__wrapped__()
    assert tried == [levels_here()] * 2


def test_without_onednns_operations_no_levels_are_asked_for(monkeypatch):
    monkeypatch.setattr(int8_convolution, "levels_here", lambda: torch.ops.onednn.gone)
    assert not int8_convolution.works.__wrapped__()


def test_what_fails_or_says_nonsense_is_not_used(monkeypatch):
    for broken in (lambda *_, **__: torch.ops.onednn.gone, lambda *_, **__: torch.zeros_like):
        monkeypatch.setattr(int8_convolution, "eight_bit", broken)
        int8_convolution.works.cache_clear()
        assert not int8_convolution.works()
    monkeypatch.undo()
    int8_convolution.works.cache_clear()
    assert int8_convolution.works()
