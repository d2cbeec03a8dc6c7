"""The programs: each brings a real worker into trouble and says what was lost by it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream_app.kafka.broker import LocalBroker
from stream_app.kafka.clients import admin_client
from stream_app.proving.chaos.feeder import a_post, feed, numbered, producer_of
from stream_app.proving.chaos.flaky import MARK
from stream_app.proving.chaos.fleet import FLAKY_WORKER, Fleet
from stream_app.proving.chaos.truth import Truth, Verdict, place
from stream_app.settings import Settings

START_S = 60.0


async def the_end(
    fleet: Fleet,
    truth: Truth,
    events: Sequence[str],
    letters: Sequence[str] = (),
    *,
    wrong: Sequence[str] = (),
    figures: Mapping[str, Any],
) -> Verdict:
    """Stop the workers and judge what is in Kafka then; ``wrong`` is what the program has seen already."""
    await asyncio.to_thread(fleet.stop_all)
    at_the_end, rolled_back = await truth.settle()
    return truth.verdict(events, letters, wrong=[*wrong, *at_the_end], rolled_back=rolled_back, **figures)


def _keys(count: int) -> list[str]:
    return [str(number) for number in range(count)]


async def kill(settings: Settings, logs: Path, *, kills: int, posts: int, workers: int) -> Verdict:
    """SIGKILL a worker in the midst of its posts, again and again."""
    rounds = [range(posts * i // kills, posts * (i + 1) // kills) for i in range(kills)]
    late, began = 0, time.monotonic()
    with Fleet(settings, workers, logs) as fleet:
        async with Truth(settings) as truth:
            for numbers in rounds:
                before = truth.seen
                await feed(settings, numbered(numbers))
                # As soon as something of this round is out, others are in the model or in an open transaction.
                late += not await truth.wait(before + 1, START_S, fleet.revive)
                await asyncio.sleep(random.uniform(0, 0.05))
                fleet.kill(random.choice(fleet.names))
            done = await truth.wait(posts, 120, fleet.revive)
            figures = {"kills": kills, "workers": workers, "stalled_rounds": late}
            figures["seconds"] = round(time.monotonic() - began)
            wrong = [] if done else ["not all posts came to an end within 120 s"]
            return await the_end(fleet, truth, _keys(posts), wrong=wrong, figures=figures)


async def poison(settings: Settings, logs: Path, *, count: int, large: int) -> Verdict:
    """Mix messages that are no posts, of every kind, among posts; LARGE of them hold more than any dead letter can."""
    kinds = (b"\xff\xfe\x00", b"[1]", b"{", b"null", b'{"data": {}}', b'{"network": "other"}', b"{" * 20_000)
    bad = [(f"bad{i}", kinds[i % len(kinds)]) for i in range(count)]
    mixed = [pair for pairs in zip(bad, numbered(range(count)), strict=True) for pair in pairs]
    await _take_large(settings)
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, mixed)
            posts, letters = await _feed_large(settings, range(count, count + large))
            began = time.monotonic()
            await truth.wait(2 * count + len(posts) + len(letters), START_S, fleet.revive)
            figures = {"seconds": round(time.monotonic() - began, 1), "restarts": fleet.restarts}
            wrong = ["the worker died of it"] if fleet.restarts else []
            letters += [key for key, _ in bad]
            return await the_end(fleet, truth, [*_keys(count), *posts], letters, wrong=wrong, figures=figures)


_LARGE_FEED = 8 * 2**20


async def _take_large(settings: Settings) -> None:
    """Let the feed take records of 8 MB; what is published has Kafka's own limit of 1 MB."""
    change = {"max.message.bytes": str(_LARGE_FEED)}
    async with admin_client(settings.kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topics.posts, configs=change)])


async def _feed_large(settings: Settings, numbers: Iterable[int]) -> tuple[list[str], list[str]]:
    """Records with 1.5 MB of noise as key, as value, as headers, or as all of them, and posts before and after each.

    Gives the posts' ids, and what their dead letters are counted by.
    """
    noise, partitions = random.Random(0).randbytes(3 * 2**19), settings.kafka.partitions
    headers = [("noise", noise), ("dl-attempts", b"1")]
    kinds: tuple[tuple[bytes, bytes, list[tuple[str, bytes]]], ...] = (
        (noise, b"{", []),
        (b"value", b"{" + noise, []),
        (b"headers", b"{", headers),
        (noise, b"{" + noise, headers),
    )
    posts, letters = [], []
    async with producer_of(settings, max_request_size=_LARGE_FEED) as producer:
        for number in numbers:
            key, value, more = kinds[number % len(kinds)]
            # To hash such a key takes aiokafka's producer seconds, so each is told its partition.
            where = {"topic": settings.topics.posts, "partition": number % partitions, "key": key, "headers": more}
            at = await producer.send_and_wait(value=value, **where)
            letters.append(place(at.partition, at.offset))
            # A post is no worse for a key or headers that are as large: neither goes into its event.
            await producer.send_and_wait(value=a_post(number), **where)
            posts.append(str(number))
    return posts, letters


async def broker(settings: Settings, logs: Path, *, kafka: LocalBroker, posts: int, down_s: float) -> Verdict:
    """Stop Kafka under load and start it again."""
    half = posts // 2
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, numbered(range(half)))
            await truth.wait(1, START_S, fleet.revive)
            kafka.stop()
            before = truth.seen
            await asyncio.sleep(down_s)
            fleet.revive()
            kafka.start()
            await feed(settings, numbered(range(half, posts)))
            await truth.wait(posts, 120, fleet.revive)
            figures = {"down_s": down_s, "events_before": before, "worker_restarts": fleet.restarts}
            return await the_end(fleet, truth, _keys(posts), figures=figures)


async def rebalance(settings: Settings, logs: Path, *, posts: int, rounds: int) -> Verdict:
    """A second worker joins and leaves in the midst of posts."""
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            each = posts // (2 * rounds)
            for turn in range(2 * rounds):
                before = truth.seen
                await feed(settings, numbered(range(turn * each, (turn + 1) * each)))
                await truth.wait(before + 1, START_S, fleet.revive)
                if turn % 2:
                    fleet.stop("r1")
                else:
                    fleet.start("r1")
            sent = 2 * rounds * each
            await truth.wait(sent, START_S, fleet.revive)
            figures = {"joined_and_left": rounds, "restarts": fleet.restarts}
            return await the_end(fleet, truth, _keys(sent), figures=figures)


async def bisect(settings: Settings, logs: Path, *, posts: int, bad: int) -> Verdict:
    """A model that fails on batches with certain posts: only those become dead letters."""
    marked = set(random.sample(range(posts), bad))
    pairs = [(str(n), a_post(n, MARK if n in marked else None)) for n in range(posts)]
    with Fleet(settings, 1, logs, program=FLAKY_WORKER) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, pairs)
            await truth.wait(posts, START_S, fleet.revive)
            good = [str(n) for n in range(posts) if n not in marked]
            return await the_end(fleet, truth, good, [str(n) for n in marked], figures={"restarts": fleet.restarts})


async def drain(settings: Settings, logs: Path, *, posts: int) -> Verdict:
    """SIGTERM in the midst of posts; a successor goes on."""
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, numbered(range(posts)))
            await truth.wait(1, START_S, fleet.revive)
            took, status = await asyncio.to_thread(fleet.stop, "r0")
            await truth.read(1000)
            left = posts - truth.seen
            fleet.start("r0")
            await truth.wait(posts, START_S, fleet.revive)
            wrong = [f"SIGTERM took {took:.1f} s, not under 10"] if took >= 10 else []
            wrong += [f"the worker ended with status {status}"] if status else []
            figures = {"sigterm_s": round(took, 2), "left_to_its_successor": left}
            return await the_end(fleet, truth, _keys(posts), wrong=wrong, figures=figures)
