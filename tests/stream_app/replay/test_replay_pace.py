"""History runs at the asked multiple of its own pace."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.pace import Pace


def test_flat_out_never_waits():
    pace = Pace(None)
    assert [pace.delay(when, 0.0) for when in (0.0, 1e9, None)] == [0, 0, 0]


def test_ten_times_as_fast():
    pace = Pace(10)
    assert pace.delay(1000.0, now=5.0) == 0
    assert pace.delay(1060.0, now=5.0) == pytest.approx(6.0)
    assert pace.delay(1060.0, now=9.0) == pytest.approx(2.0)


def test_what_has_no_time_or_an_older_one_goes_at_once():
    pace = Pace(1)
    assert pace.delay(None, 0.0) == 0
    pace.delay(1000.0, 0.0)
    assert pace.delay(None, 0.0) == 0
    assert pace.delay(990.0, 0.0) == 0
    assert pace.delay(1010.0, 0.0) == pytest.approx(10.0)


@given(
    st.lists(st.floats(0, 1e6), min_size=2, max_size=30).map(sorted),
    st.floats(0.01, 1e4),
    st.floats(0, 1e6),
)
def test_sleeping_as_told_keeps_the_pace_without_drift(times, speed, now):
    pace, start = Pace(speed), now
    for when in times:
        now += pace.delay(when, now)
        assert now - start == pytest.approx((when - times[0]) / speed, rel=1e-6, abs=1e-3)


def test_a_long_gap_is_cut_and_the_clock_goes_on_from_there():
    pace = Pace(1.0, longest_s=60.0)
    assert [pace.delay(0, 0), pace.delay(4000, 0), pace.delay(4010, 60)] == [0, 60, 10]
    assert (pace.cut, pace.cut_s) == (1, 3940)


def test_what_is_older_than_one_before_it_is_counted_and_goes_at_once():
    pace = Pace(1.0)
    assert [pace.delay(when, 10) for when in (100, 40, 100.5, 100)] == [0, 0, 0.5, 0]
    assert pace.backward == 1
