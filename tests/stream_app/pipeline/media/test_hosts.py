"""The circuit breaker, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from stream_app.pipeline.media.hosts import PAUSE_S, REMEMBERED, STRIKES, Hosts
from stream_app.pipeline.media.outcome import NotUsedError


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def give_up(hosts: Hosts, clock: Clock, name: str, after_s: float) -> None:
    """Take a turn, let ``after_s`` pass, be cancelled."""
    with contextlib.suppress(asyncio.CancelledError):
        async with hosts.turn(name):
            clock.now += after_s
            raise asyncio.CancelledError


async def answer(hosts: Hosts, name: str) -> None:
    async with hosts.turn(name):
        pass


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hosts(clock: Clock) -> Hosts:
    return Hosts(per_host=2, patience_s=1.0, clock=clock)


async def test_a_host_that_times_out_again_and_again_is_skipped(hosts, clock):
    for _ in range(STRIKES):
        await give_up(hosts, clock, "slow", 1.5)
    with pytest.raises(NotUsedError, match="did not answer in time 3 times") as caught:
        await answer(hosts, "slow")
    assert caught.value.status == "skipped"
    await answer(hosts, "other")


async def test_an_answer_in_between_forgives(hosts, clock):
    for _ in range(STRIKES * 2):
        await give_up(hosts, clock, "h", 1.5)
        await answer(hosts, "h")


async def test_an_error_is_an_answer(hosts, clock):
    for _ in range(STRIKES * 2):
        await give_up(hosts, clock, "h", 1.5)
        with pytest.raises(ConnectionError):
            async with hosts.turn("h"):
                raise ConnectionError


async def test_a_fetch_given_up_early_is_not_the_hosts_fault(hosts, clock):
    for _ in range(STRIKES * 2):
        await give_up(hosts, clock, "h", 0.5)
    await answer(hosts, "h")


async def test_after_the_pause_one_fetch_tries_and_the_rest_still_skip(hosts, clock):
    for _ in range(STRIKES):
        await give_up(hosts, clock, "h", 1.5)
    clock.now += PAUSE_S
    async with hosts.turn("h"):
        with pytest.raises(NotUsedError):
            await answer(hosts, "h")
    await answer(hosts, "h")  # the probe was answered: closed again


async def test_a_probe_that_fails_opens_again(hosts, clock):
    for _ in range(STRIKES):
        await give_up(hosts, clock, "h", 1.5)
    clock.now += PAUSE_S
    await give_up(hosts, clock, "h", 1.5)
    with pytest.raises(NotUsedError):
        await answer(hosts, "h")
    clock.now += PAUSE_S
    await answer(hosts, "h")


async def test_no_more_than_per_host_turns_at_once(hosts):
    most = now = 0

    async def one():
        nonlocal most, now
        async with hosts.turn("h"):
            now += 1
            most = max(most, now)
            await asyncio.sleep(0.001)
            now -= 1

    await asyncio.gather(*(one() for _ in range(10)))
    assert most == 2


async def test_those_who_waited_for_a_turn_skip_once_it_opens(hosts, clock):
    entered = asyncio.Event()

    async def hold():
        async with hosts.turn("h"):
            entered.set()
            await asyncio.sleep(60)

    holders = [asyncio.create_task(hold()) for _ in range(2)]
    await entered.wait()
    queued = [asyncio.create_task(hold()) for _ in range(2)]
    await asyncio.sleep(0)
    hosts._hosts["h"].strikes = STRIKES - 1
    clock.now += 5
    for task in holders:
        task.cancel()
    results = await asyncio.gather(*holders, *queued, return_exceptions=True)
    assert [type(each) for each in results[2:]] == [NotUsedError] * 2


async def test_what_is_remembered_is_bounded(hosts):
    for number in range(REMEMBERED + 100):
        await answer(hosts, f"host{number}")
    assert len(hosts._hosts) == REMEMBERED
