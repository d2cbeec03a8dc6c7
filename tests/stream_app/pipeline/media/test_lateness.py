"""How late the event loop was, on a clock of the test's own, and what that excuses."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.media.hosts import STRIKES, Hosts
from stream_app.pipeline.media.lateness import HEARD, TICK_S, Lateness
from stream_app.pipeline.media.outcome import NotUsedError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lateness(clock: Clock) -> Lateness:
    return Lateness(clock)


def run(lateness, clock, *late):
    """One tick after the other, each so many seconds late."""
    lateness.expect()
    for each in late:
        clock.now += TICK_S + each
        lateness.expect()


def test_before_it_listens_and_on_time_nothing_is_late(lateness, clock):
    clock.now += 1
    assert lateness.since(100.0) == 0.0
    run(lateness, clock, 0, 0, 0)
    assert lateness.since(100.0) == pytest.approx(0, abs=1e-9)


def test_a_delay_counts_before_and_after_the_loop_has_come_round(lateness, clock):
    lateness.expect()
    clock.now += TICK_S + 5
    assert lateness.since(100.0) == pytest.approx(5)
    lateness.expect()
    assert lateness.since(100.0) == pytest.approx(5)
    assert lateness.since(clock.now) == 0.0


def test_a_loop_that_is_a_little_late_all_the_time_excuses_little(lateness, clock):
    run(lateness, clock, *[0.05] * 100)
    assert lateness.since(100.0) == pytest.approx(HEARD * 0.05)


def test_what_is_long_past_is_forgotten(lateness, clock):
    run(lateness, clock, 1.0, *[10.0] * 4)
    assert len(lateness._late) == 3


@given(st.lists(st.floats(0, 3), max_size=30), st.floats(0, 60))
def test_it_excuses_no_more_than_the_time_that_a_fetch_took(late, age):
    clock = Clock()
    lateness = Lateness(clock)
    run(lateness, clock, *late)
    began = clock.now - age
    assert 0 <= lateness.since(began) <= clock.now - began


@pytest.mark.parametrize(("seconds", "strikes"), [(0.5, False), (1.5, True)])
async def test_only_what_is_beyond_our_lateness_is_a_hosts_fault(clock, seconds, strikes):
    hosts = Hosts(per_host=1, patience_s=1.0, clock=clock, our_lateness=lambda _: 3.0)
    for _ in range(STRIKES):
        async with hosts.turn("h"):
            clock.now += 3.0 + seconds
    if strikes:
        with pytest.raises(NotUsedError):
            await hosts.turn("h").__aenter__()
    else:
        await hosts.turn("h").__aenter__()


async def test_an_answer_that_was_here_while_the_loop_was_held_is_no_strike():
    lateness = Lateness()
    hosts = Hosts(per_host=1, patience_s=0.05, our_lateness=lateness.since)
    listening = asyncio.create_task(lateness.listen())
    await asyncio.sleep(0)
    for _ in range(STRIKES):
        async with hosts.turn("h"):
            time.sleep(0.08)  # noqa: ASYNC251 - the loop is held
            await asyncio.sleep(0)
    async with hosts.turn("h"):
        pass
    listening.cancel()
