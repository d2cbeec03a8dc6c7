"""The programs: each brings a real worker into trouble and says what was lost by it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from stream_app.broker import LocalBroker
from stream_app.chaos.flaky import MARK
from stream_app.chaos.fleet import FLAKY_WORKER, Fleet
from stream_app.chaos.truth import Truth, Verdict, a_post, feed
from stream_app.settings import Settings

_START_S = 60.0


def _numbered(numbers: Iterable[int], text: str = "the bridge collapsed") -> list[tuple[str, bytes]]:
    return [(str(number), a_post(number, text)) for number in numbers]


async def kill(settings: Settings, logs: Path, *, kills: int, posts: int, workers: int) -> Verdict:
    """SIGKILL a worker in the midst of its posts, again and again."""
    rounds = [range(posts * i // kills, posts * (i + 1) // kills) for i in range(kills)]
    late = 0
    with Fleet(settings, workers, logs) as fleet:
        async with Truth(settings) as truth:
            for numbers in rounds:
                before = truth.seen
                await feed(settings, _numbered(numbers))
                # As soon as something of this round is out, others are in the model or in an open transaction.
                late += not await truth.wait(before + 1, _START_S, fleet.revive)
                await asyncio.sleep(random.uniform(0, 0.05))
                fleet.kill(random.choice(fleet.names))
            done = await truth.wait(posts, 120, fleet.revive)
            await asyncio.sleep(2)
            await truth.read(1000)
            wrong = [] if done else ["not all posts came to an end within 120 s"]
            keys = [str(number) for number in range(posts)]
            return truth.verdict(keys, wrong=wrong, kills=kills, workers=workers, stalled_rounds=late)


async def poison(settings: Settings, logs: Path, *, count: int) -> Verdict:
    """Mix messages that are no posts, of every kind, among posts."""
    kinds = (b"\xff\xfe\x00", b"[]", b"{", b"null", b'{"data": []}', b'{"network": "other"}', b"{" * 20_000)
    bad = [(f"bad{i}", kinds[i % len(kinds)]) for i in range(count)]
    mixed = [pair for pairs in zip(bad, _numbered(range(count)), strict=True) for pair in pairs]
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, mixed)
            began = time.monotonic()
            await truth.wait(2 * count, _START_S, fleet.revive)
            took = time.monotonic() - began
            keys = [str(number) for number in range(count)]
            return truth.verdict(keys, [key for key, _ in bad], seconds=round(took, 1), restarts=fleet.restarts)


async def broker(settings: Settings, logs: Path, *, kafka: LocalBroker, posts: int, down_s: float) -> Verdict:
    """Stop Kafka under load and start it again."""
    half = posts // 2
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, _numbered(range(half)))
            await truth.wait(1, _START_S, fleet.revive)
            kafka.stop()
            await asyncio.sleep(down_s)
            fleet.revive()
            kafka.start()
            await feed(settings, _numbered(range(half, posts)))
            await truth.wait(posts, 120, fleet.revive)
            keys = [str(number) for number in range(posts)]
            return truth.verdict(keys, down_s=down_s, worker_restarts=fleet.restarts)


async def rebalance(settings: Settings, logs: Path, *, posts: int, rounds: int) -> Verdict:
    """A second worker joins and leaves in the midst of posts."""
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            each = posts // (2 * rounds)
            for turn in range(2 * rounds):
                before = truth.seen
                await feed(settings, _numbered(range(turn * each, (turn + 1) * each)))
                await truth.wait(before + 1, _START_S, fleet.revive)
                if turn % 2:
                    fleet.stop("r1")
                else:
                    fleet.start("r1")
            sent = 2 * rounds * each
            await truth.wait(sent, _START_S, fleet.revive)
            await truth.read(1000)
            return truth.verdict([str(n) for n in range(sent)], joined_and_left=rounds, restarts=fleet.restarts)


async def bisect(settings: Settings, logs: Path, *, posts: int, bad: int) -> Verdict:
    """A model that fails on batches with certain posts: only those become dead letters."""
    marked = set(random.sample(range(posts), bad))
    pairs = [(str(n), a_post(n, MARK if n in marked else "flood")) for n in range(posts)]
    with Fleet(settings, 1, logs, program=FLAKY_WORKER) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, pairs)
            await truth.wait(posts, _START_S, fleet.revive)
            good = [str(n) for n in range(posts) if n not in marked]
            return truth.verdict(good, [str(n) for n in marked], restarts=fleet.restarts)


async def drain(settings: Settings, logs: Path, *, posts: int) -> Verdict:
    """SIGTERM in the midst of posts; a successor goes on."""
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, _numbered(range(posts)))
            await truth.wait(1, _START_S, fleet.revive)
            took = await asyncio.to_thread(fleet.stop, "r0")
            fleet.start("r0")
            await truth.wait(posts, _START_S, fleet.revive)
            wrong = [f"SIGTERM took {took:.1f} s, not under 10"] if took >= 10 else []
            return truth.verdict([str(n) for n in range(posts)], wrong=wrong, sigterm_s=round(took, 2))


async def slow_host(settings: Settings, logs: Path, *, posts: int) -> Verdict:
    """One post in ten points at a host that sends a byte now and then: only that post waits, and becomes text only."""

    async def drip(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: 100000\r\n\r\n\xff\xd8\xff")
            while True:
                await writer.drain()
                await asyncio.sleep(0.5)
                writer.write(b"\x00")
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    host = await asyncio.start_server(drip, "127.0.0.1", 0)
    port = host.sockets[0].getsockname()[1]
    allowed = {
        "CRISIS_STREAM_MEDIA__ALLOWED_PRIVATE": '["127.0.0.1/32"]',
        "CRISIS_STREAM_MEDIA__ALLOWED_PORTS": f"[{port}]",
    }
    media = [{"url": f"http://127.0.0.1:{port}/a.jpg"}]
    pairs = [(str(n), a_post(n, media=media) if n % 10 == 0 else a_post(n)) for n in range(posts)]
    with Fleet(settings, 1, logs, environment=allowed) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, pairs)
            await truth.wait(posts, _START_S, fleet.revive)
            text = max(truth.delays_s[str(n)] for n in range(posts) if n % 10 and str(n) in truth.delays_s)
            slow = min((truth.delays_s[str(n)] for n in range(0, posts, 10) if str(n) in truth.delays_s), default=0.0)
            wrong = ["posts without images waited for those with"] if text >= slow else []
            keys = [str(n) for n in range(posts)]
            verdict = truth.verdict(keys, wrong=wrong, text_done_before_first_slow_s=round(slow - text, 2))
    host.close()
    return verdict


async def soak(settings: Settings, logs: Path, *, seconds: float, rate: int, growth_mb: float) -> Verdict:
    """A steady stream for long; memory must stay flat once warm (the second half against the end of the first)."""
    with Fleet(settings, 1, logs, environment={"CRISIS_STREAM_LABELLING__DUPLICATES": "1000"}) as fleet:
        async with Truth(settings) as truth:
            sent, samples = 0, []
            began = time.monotonic()
            while time.monotonic() - began < seconds:
                tick = time.monotonic()
                await feed(settings, _numbered(range(sent, sent + rate)))
                sent += rate
                await truth.read()
                samples.append(psutil.Process(fleet.pid("r0")).memory_info().rss / 2**20)
                await asyncio.sleep(max(0.0, 1 - (time.monotonic() - tick)))
            await truth.wait(sent, _START_S, fleet.revive)
            half = samples[len(samples) // 2]
            grew = max(samples[-3:]) - half
            wrong = [f"memory grew by {grew:.0f} MB in the second half"] if grew > growth_mb else []
            return truth.verdict(
                [str(n) for n in range(sent)], wrong=wrong, rss_mb=round(samples[-1]), grew_mb=round(grew, 1)
            )
