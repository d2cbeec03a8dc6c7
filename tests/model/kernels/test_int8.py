"""8-bit layers say nearly what float ones say, whatever the channels' loudness, and never overflow."""

import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from model.kernels import int8
from model.kernels.int8 import Seen, Watched, eight_bit, rounded
from model.kernels.packed import linear

pytestmark = pytest.mark.skipif(not int8.works(), reason="no 8-bit products on this processor")
ACTIVATIONS = {"none": lambda x: x, "gelu": F.gelu}


def layer(seed, wide, out):
    draw = torch.Generator().manual_seed(seed)
    loud = torch.exp(torch.randn(wide, generator=draw) / 2)  # channels of unlike loudness
    x = torch.randn(200, wide, generator=draw) * loud + loud
    return x, torch.randn(out, wide, generator=draw) / wide**0.5, torch.randn(out, generator=draw)


@given(st.integers(0, 9), st.sampled_from([24, 64, 384]), st.integers(1, 80), st.sampled_from(list(ACTIVATIONS)))
@settings(deadline=None, max_examples=30)
def test_it_is_near_the_float_layer(seed, wide, out, activation):
    x, weight, bias = layer(seed, wide, out)
    before = F.linear(x, weight, bias)
    said = eight_bit(weight, bias, activation, Seen.of(x))(x)
    assert (said - ACTIVATIONS[activation](before)).norm() < 0.06 * before.norm()


def test_a_channel_a_hundred_times_as_loud_does_not_silence_the_others():
    x, weight, bias = layer(0, 384, 32)
    x[:, 7] *= 100
    weight[:, 7] *= 20
    expected = F.linear(x, weight, bias)
    said = eight_bit(weight, bias, "none", Seen.of(x))(x)
    assert (said - expected).norm(dim=0).max() < 0.02 * (expected - expected.mean(0)).norm(dim=0).min()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("lowest", "share"), [(-5.0, 0.5), (-0.1, 0.55)])
def test_nothing_overflows_where_all_inputs_are_loud_and_the_loudest_are_cut(lowest, share, sign):
    """At ``share`` of the way up nothing is cut; at the top two products may pass 16 bits, which must not wrap them."""
    weight, low, high = torch.full((8, 64), 3.0 * sign), torch.full((64,), lowest), torch.full((64,), 5.0)
    run = eight_bit(weight, torch.zeros(8), "gelu" if sign > 0 else "none", Seen(low, high, torch.zeros(64)))
    loud, loudest = (run(torch.full((4, 64), value)) * sign for value in (high[0] * share, high[0]))
    assert loud == pytest.approx(torch.full((4, 8), 960.0 * share), rel=0.02)
    assert loudest.min() > 1.1 * loud.max()
    assert loudest.max() < 1.02 * 960


def test_what_comes_from_a_gelu_has_room_above_what_was_seen():
    x, weight, bias = layer(5, 384, 32)
    x = F.gelu(x)
    before = F.linear(x, weight, bias)
    few, whole = (eight_bit(weight, bias, "none", Seen.of(x * share))(x) for share in (1 / 1.15, 1.0))
    off, cut = ((said - before).norm() / before.norm() for said in (whole, few))
    assert cut < 1.5 * off


def test_what_lies_outside_the_bounds_is_cut_and_does_no_harm_to_other_rows():
    x, weight, bias = layer(1, 64, 16)
    run = eight_bit(weight, bias, "gelu", Seen.of(x))
    wild = x.clone()
    wild[0] = 1e9
    assert torch.equal(run(wild)[1:], run(x)[1:])
    assert run(wild).isfinite().all()


@given(st.lists(st.integers(0, 199), min_size=1, max_size=50))
@settings(deadline=None, max_examples=20)
def test_a_row_does_not_depend_on_the_rows_beside_it(rows):
    x, weight, bias = layer(2, 64, 16)
    run = eight_bit(weight, bias, "none", Seen.of(x))
    assert torch.allclose(run(x[rows]), run(x)[rows], rtol=0, atol=1e-4)


def test_a_watched_layer_is_the_float_one_until_it_has_seen_enough():
    x, weight, bias = layer(3, 64, 16)
    watched = Watched(weight, bias, "gelu")
    for part in (x[:100], x[100:]):
        assert torch.equal(watched(part), linear(weight, bias, "gelu")(part))
    expected = eight_bit(weight, bias, "gelu", Seen.of(x))(x)
    torch.testing.assert_close(watched.eight_bit(watched.seen)(x), expected, rtol=0, atol=1e-4)


def test_bounds_that_were_stored_make_nearly_the_same_layer():
    x, weight, bias = layer(4, 64, 16)
    seen = Seen.of(x)
    assert (seen.kept().shape, seen.kept().dtype) == ((3, 64), torch.float16)
    one, other = (eight_bit(weight, bias, "none", each)(x) for each in (seen, Seen.read(seen.kept())))
    assert (one - other).norm() < 0.02 * one.norm()
    loudest = Seen(torch.full((2,), -1e9), torch.full((2,), 1e9), torch.zeros(2)).kept()
    assert loudest.isfinite().all()


@given(seed=st.integers(0, 9), levels=st.integers(149, 255))
@settings(deadline=None, max_examples=20)
def test_weights_use_all_of_8_bits_unless_two_products_must_stay_in_16(seed, levels):
    weight = layer(seed, 64, 16)[1]
    with pytest.MonkeyPatch.context() as patch:
        found = {}
        for wide in (True, False):
            patch.setattr(int8, "wide", lambda wide=wide: wide)
            integers, scale = found[wide] = rounded(weight, levels)
            assert (integers * scale[:, None] - weight).abs().max() <= scale.max()
        assert found[True][0].abs().amax(1).eq(127).all()
        pairs = torch.stack([(found[False][0].int() * sign).clamp_min(0).view(16, -1, 2).sum(2) for sign in (1, -1)])
        assert pairs.max() * levels <= 2**15 - 1


@pytest.mark.parametrize("isa", ["ALL", "AVX2", "AVX2_VNNI"])
def test_products_said_to_be_added_in_32_bits_are_not_cut_and_without_vnni_none_are_said_to(isa):
    """oneDNN reads at its first use which of the processor's instructions it may use: hence a program of its own."""
    program = """
import torch
from model.kernels.int8 import Seen, eight_bit, wide
x, weight = torch.full((4, 64), 5.0), torch.full((8, 64), 3.0)
said = eight_bit(weight, torch.zeros(8), "none", Seen(x[0] * 0, x[0], x[0] / 2))(x)
print(wide(), bool((said - 960).abs().max() < 10))
"""
    settings = {**os.environ, "ONEDNN_MAX_CPU_ISA": isa}
    done = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=True)
    wide, exact = (word == "True" for word in done.stdout.split())
    assert exact or not wide
    assert not (wide and isa == "AVX2")


def test_what_fails_or_says_nonsense_is_not_used(monkeypatch):
    for broken in (lambda *_: torch.ops.onednn.gone, lambda *_: torch.zeros_like):
        monkeypatch.setattr(int8, "eight_bit", broken)
        int8.works.cache_clear()
        assert not int8.works()
    monkeypatch.undo()
    int8.works.cache_clear()
    assert int8.works()
