"""The circuit breaker, on a clock of the test's own."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from stream_app.pipeline.media import hosts as module
from stream_app.pipeline.media.hosts import (
    ADDRESS_STRIKES,
    MAX_PAUSE_S,
    PAUSE_S,
    REMEMBERED,
    STRIKES,
    BusyError,
    Hosts,
    PausedError,
    payer,
    registered_domain,
)
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


async def test_a_quick_answer_now_and_then_does_not_make_good_for_many_slow_ones(hosts, clock):
    for _ in range(STRIKES - 2):
        await give_up(hosts, clock, "h", 1.5)
        await give_up(hosts, clock, "h", 1.5)
        await answer(hosts, "h")
    await give_up(hosts, clock, "h", 1.5)
    await give_up(hosts, clock, "h", 1.5)
    with pytest.raises(NotUsedError, match="more often than it did"):
        await answer(hosts, "h")


async def test_a_quick_answer_that_was_under_way_does_not_end_the_pause(hosts, clock):
    async with hosts.turn("h"):
        for _ in range(STRIKES):
            hosts._domains["h"].strike(clock.now)
    with pytest.raises(NotUsedError):
        await answer(hosts, "h")


async def test_addresses_of_one_network_of_ipv6_are_one_host(hosts, clock):
    for number in range(ADDRESS_STRIKES):
        with contextlib.suppress(asyncio.CancelledError):
            async with hosts.turn(f"slow{number}.example"):
                hosts.meet(f"2001:db8:0:1::{number + 1:x}")
                clock.now += 1.5
                raise asyncio.CancelledError
    with pytest.raises(PausedError):
        async with hosts.turn("fresh.example"):
            hosts.meet("2001:db8:0:1:ffff::1")
    async with hosts.turn("fresh.example"):
        hosts.meet("2001:db8:0:2::1")


def test_an_address_that_carries_another_is_that_one():
    assert payer("::ffff:192.0.2.1") == payer("64:ff9b::192.0.2.1") == "192.0.2.1"
    assert payer("2001:db8::1%eth0") == "2001:db8::/64"


@pytest.mark.parametrize("error", [ConnectionError(), NotUsedError("failed", "the host answered 404")])
async def test_an_error_speaks_neither_for_nor_against_a_host(hosts, clock, error):
    for _ in range(STRIKES):
        with contextlib.suppress(type(error)):
            async with hosts.turn("h"):
                raise error
        await give_up(hosts, clock, "h", 1.5)
    with pytest.raises(NotUsedError, match="3 times"):
        await answer(hosts, "h")
    for _ in range(STRIKES * 2):
        with contextlib.suppress(type(error)):
            async with hosts.turn("other"):
                raise error
    await answer(hosts, "other")


@pytest.mark.parametrize("error", [None, NotUsedError("too_large", "large")])
async def test_a_slow_answer_is_a_strike_too(hosts, clock, error):
    for _ in range(STRIKES):
        with contextlib.suppress(NotUsedError):
            async with hosts.turn("h"):
                clock.now += 1.0
                if error:
                    raise error
    with pytest.raises(NotUsedError, match="did not answer in time"):
        await answer(hosts, "h")


async def test_what_a_fetch_waited_for_elsewhere_is_not_the_hosts_fault(hosts, clock):
    @contextlib.asynccontextmanager
    async def full():
        clock.now += 5
        yield

    for _ in range(STRIKES * 2):
        async with hosts.turn("h") as turn, turn.excused(full()):
            clock.now += 0.9
    await answer(hosts, "h")


async def test_names_below_one_domain_are_one_host_and_those_below_a_public_suffix_are_not(hosts, clock):
    for number in range(STRIKES):
        await give_up(hosts, clock, f"p{number}.slow.example.co.uk", 1.5)
        await give_up(hosts, clock, f"p{number}.github.io", 1.5)
    with pytest.raises(NotUsedError):
        await answer(hosts, "another.example.co.uk")
    await answer(hosts, "another.github.io")
    await answer(hosts, "other.co.uk")
    assert registered_domain("127.0.1.5") == "127.0.1.5"
    assert registered_domain("[2001:DB8::1]") == "2001:db8::1"


async def test_names_without_end_at_one_address_are_found_out_by_the_address(hosts, clock):
    for number in range(ADDRESS_STRIKES):
        with contextlib.suppress(asyncio.CancelledError):
            async with hosts.turn(f"slow{number}.example"):
                hosts.meet("192.0.2.1")
                clock.now += 1.5
                raise asyncio.CancelledError
    with pytest.raises(PausedError, match=r"at 192\.0\.2\.1 did not answer in time 6 times"):
        async with hosts.turn("fresh.example"):
            hosts.meet("192.0.2.1")
    async with hosts.turn("fresh.example"):
        hosts.meet("192.0.2.2")


async def test_a_good_answer_from_an_address_forgives_it(hosts, clock):
    for number in range(ADDRESS_STRIKES * 2):
        with contextlib.suppress(asyncio.CancelledError):
            async with hosts.turn(f"slow{number}.example"):
                hosts.meet("192.0.2.1")
                clock.now += 1.5
                raise asyncio.CancelledError
        async with hosts.turn("good.example"):
            hosts.meet("192.0.2.1")


@pytest.mark.parametrize(("asked", "kept"), [(30.0, 30.0), (0.0, 1.0), (1e9, MAX_PAUSE_S)])
async def test_a_host_that_asks_for_it_is_left_alone(hosts, clock, asked, kept):
    with pytest.raises(BusyError):
        async with hosts.turn("h"):
            raise BusyError("the host answered 429", asked)
    clock.now += kept - 0.5
    with pytest.raises(NotUsedError, match="asked to be left alone"):
        await answer(hosts, "h")
    clock.now += 1
    await answer(hosts, "h")


async def test_busy_without_a_time_is_a_strike(hosts):
    for _ in range(STRIKES):
        with pytest.raises(BusyError):
            async with hosts.turn("h"):
                raise BusyError("the host answered 503", None)
    with pytest.raises(NotUsedError, match="did not answer in time"):
        await answer(hosts, "h")


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
    hosts._domains["h"].strikes = STRIKES - 1
    clock.now += 5
    for task in holders:
        task.cancel()
    results = await asyncio.gather(*holders, *queued, return_exceptions=True)
    assert [type(each) for each in results[2:]] == [NotUsedError] * 2


async def test_what_is_remembered_is_bounded(hosts):
    for number in range(REMEMBERED + 100):
        await answer(hosts, f"host{number}")
    assert len(hosts._domains) == REMEMBERED


async def test_those_who_waited_in_vain_go_on_one_after_the_other(hosts, clock, monkeypatch):
    """Posts of two seconds at once would hold up everybody else."""
    monkeypatch.setattr(module, "APART_S", 0.001)
    told: list[str] = []

    async def wait(name: str) -> None:
        with pytest.raises(NotUsedError):
            async with hosts.turn("slow"):
                pass
        told.append(name)

    async with contextlib.AsyncExitStack() as held:
        for _ in range(2):  # all turns
            await held.enter_async_context(hosts.turn("slow"))
        waiting = [asyncio.create_task(wait(str(n))) for n in range(6)]
        await asyncio.sleep(0)
        clock.now += 5
        for _ in range(STRIKES):
            hosts._of(hosts._domains, "slow", STRIKES).strike(clock.now)
    counts = []
    while len(told) < 6:
        await asyncio.sleep(0)
        counts.append(len(told))
    await asyncio.gather(*waiting)
    assert {0, 2, 4} <= set(counts), "two at a time"
