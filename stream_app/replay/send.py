"""Sends a history, exactly once however often it is interrupted.

Items travel in small transactions, and each transaction carries, as committed offsets of a consumer group named after
the history, the position reached. So after a kill at any moment, ``resume`` goes on right after the last item that
``read_committed`` readers can see: none is lost and none comes twice. A fresh start with the same history fences a
replay of it that still runs. Kafka's answer to that is the same as to a transaction that outlived its timeout, so a
replay that is fenced ends rather than starting anew: two of them would fence each other for ever.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace

from aiokafka import AIOKafkaConsumer

from stream_app.kafka.clients import consumer_options, started
from stream_app.kafka.window import Window, settled, transactional_producer
from stream_app.pipeline.events.dead_letter import WITHOUT, Failure, dead_letter
from stream_app.pipeline.events.publish import Headers
from stream_app.pipeline.feed.history import HEADER
from stream_app.replay.history import History, Item, Positions
from stream_app.replay.pace import Pace
from stream_app.settings import KafkaSettings


@dataclass(slots=True)
class _Origin:
    """The record that a dead letter is of."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class Report:
    """What a replay did. ``finished`` is False when it was stopped before the end.

    ``cut`` waits were cut, by ``cut_s`` seconds together. ``backward`` items were older than one before them, the first
    of them at ``backward_at``: those went at once. ``left_out`` are items over the broker's message limit, each with
    where it stands and its size: they cannot be sent, and became dead letters.
    """

    sent: int = 0
    resumed_at: int = 0
    finished: bool = False
    seconds: float = 0.0
    cut: int = 0
    cut_s: float = 0.0
    backward: int = 0
    backward_at: str = ""
    left_out: list[str] = field(default_factory=list)


async def replay(
    kafka: KafkaSettings,
    history: History,
    topic: str,
    *,
    letters: str | None = None,
    speed: float | None = None,
    max_wait_s: float = float("inf"),
    resume: bool = False,
    stop: asyncio.Event | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Send ``history`` to ``topic``, ``speed`` times as fast as it happened (None: flat out), until ``stop`` is set.

    What is too large for Kafka becomes a dead letter in the topic ``letters`` (None: it is left out).

    Raises:
        ReplayError: the history cannot be read on; what came before it was sent.
        BrokenOffError: Kafka ended the open transaction; ``resume`` goes on after what was committed.
        aiokafka.errors.KafkaError: Kafka refused or went away; the open transaction is aborted.
    """
    began, report, stop, pace = time.monotonic(), Report(), stop or asyncio.Event(), Pace(speed, max_wait_s)
    producer = transactional_producer(kafka, history.name)
    async with started(producer):
        # The producer's start ended whatever transaction a killed replay left open, so this position is final.
        positions = await _positions(kafka, history) if resume else {}
        report.resumed_at = sum(positions.values())
        window = Window(producer, topic, history.name)
        async with settled(window, kafka, "this replay", "another replay of the same history has started"):
            async for each in history.items(positions):
                item = _marked(each, fast=speed is None or speed > 1)
                wait_s = pace.delay(item.when, time.monotonic())
                if window.due(wait_s):
                    await window.commit()
                if stop.is_set() or await _stopped_within(wait_s, stop):
                    break
                await window.reach(item.at, item.after)
                if not item.size and await window.send(item.value, key=item.key, headers=item.headers):
                    report.sent += 1
                else:
                    report.left_out.append(await _bury(window, item, letters))
                if pace.backward > report.backward == 0:
                    report.backward_at = item.told
                report.cut, report.cut_s, report.backward = pace.cut, pace.cut_s, pace.backward
                progress(report)
            else:
                report.finished = True
    report.seconds = time.monotonic() - began
    return report


async def _bury(window: Window, item: Item, letters: str | None) -> str:
    """Send a dead letter of an item that is too large, without what is; gives where it stands, and its size."""
    size = item.size or len(item.value or b"")
    told = f"{item.told}: {size:,} bytes"
    failure = Failure("parse", f"Too large for {window.topic}, not sent by replay: {told}")
    origin = _Origin(*item.origin, item.key, item.value, item.headers)
    for without in WITHOUT[1:] if letters else ():
        record = dead_letter(letters or "", origin, failure, without, size=size)
        if await window.send(record.value, key=record.key, headers=record.headers, topic=record.topic):
            break
    return told


def _marked(item: Item, *, fast: bool) -> Item:
    """The item, said to be history where it goes ``fast``er than it happened: no deadline of the present is its own."""
    own = tuple(header for header in item.headers if header != HEADER)
    return replace(item, headers=(*own, HEADER) if fast else own)


async def _stopped_within(seconds: float, stop: asyncio.Event) -> bool:
    if seconds <= 0:
        return False
    waiting: Awaitable[bool] = stop.wait()
    with suppress(TimeoutError):
        await asyncio.wait_for(waiting, seconds)
    return stop.is_set()


async def _positions(kafka: KafkaSettings, history: History) -> Positions:
    async with AIOKafkaConsumer(**consumer_options(kafka), group_id=history.name, enable_auto_commit=False) as consumer:
        consumer.assign(history.marks)
        found = {mark: await consumer.committed(mark) for mark in history.marks}
    return {mark: offset for mark, offset in found.items() if offset is not None}
