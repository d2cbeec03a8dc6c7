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
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stream_app.kafka.clients import COMPRESSION, FORBIDDEN, client_options, started
from stream_app.kafka.inside_aiokafka import end_of_transaction, failure_of
from stream_app.replay.history import BrokenOffError, History, Item, Positions
from stream_app.replay.pace import Pace
from stream_app.settings import KafkaSettings

_WINDOW_ITEMS = 1000
_WINDOW_S = 0.2
"""A transaction holds back what it carries from committed readers, so it stays short."""


@dataclass
class Report:
    """What a replay did. ``too_large`` are items over the broker's message limit: they cannot be sent and are left out.

    ``finished`` is False when it was stopped before the end.
    """

    sent: int = 0
    too_large: int = 0
    resumed_at: int = 0
    finished: bool = False
    seconds: float = 0.0


@dataclass
class _Window:
    """One open transaction, or none: what it sent and how far that reaches; ``broken`` when it can only be aborted."""

    producer: Any
    topic: str
    group: str
    opened: float | None = None
    waiting: list[asyncio.Future[Any]] = field(default_factory=list)
    reached: dict[TopicPartition, int] = field(default_factory=dict)
    broken: bool = False

    async def add(self, item: Item) -> bool:
        """Send one item in the open transaction; False when it is too large for Kafka."""
        with self._or_broken():
            if self.opened is None:
                await self.producer.begin_transaction()
                self.opened = time.monotonic()
            self.reached[item.at] = item.after
            try:
                sent = await self.producer.send(self.topic, item.value, key=item.key, headers=list(item.headers))
            except MessageSizeTooLargeError:
                return False
            self.waiting.append(sent)
        return True

    def due(self, wait_s: float) -> bool:
        """True when it is full, or would be too old after a wait of ``wait_s``."""
        if self.opened is None:
            return False
        return len(self.waiting) >= _WINDOW_ITEMS or time.monotonic() + wait_s - self.opened > _WINDOW_S

    async def commit(self) -> None:
        """Make what was sent, and the position after it, visible together."""
        if self.opened is None:
            return
        with self._or_broken():
            await asyncio.gather(*self.waiting)
            await self.producer.send_offsets_to_transaction(self.reached, self.group)
            await self.producer.commit_transaction()
        self.opened = None
        self.waiting.clear()
        self.reached.clear()

    async def abort(self) -> None:
        """Undo what was sent, where Kafka has not done so, so that readers are not held up until a timeout."""
        with suppress(KafkaError, AssertionError):  # aiokafka asserts that there is something to abort
            await self.producer.abort_transaction()
        end = end_of_transaction(self.producer)
        for answer in (*self.waiting, end):
            if answer is not None:
                answer.add_done_callback(_seen)

    def fatal(self) -> BaseException | None:
        """Why the producer can do no more; None where it can."""
        return failure_of(self.producer)

    @contextmanager
    def _or_broken(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.broken = True
            raise


def _seen(answer: asyncio.Future[Any]) -> None:
    """Take note of an error that was told of already; asyncio would log it as never retrieved."""
    if not answer.cancelled():
        answer.exception()


async def replay(
    kafka: KafkaSettings,
    history: History,
    topic: str,
    *,
    speed: float | None = None,
    resume: bool = False,
    stop: asyncio.Event | None = None,
    progress: Callable[[Report], None] = lambda _: None,
) -> Report:
    """Send ``history`` to ``topic``, ``speed`` times as fast as it happened (None: flat out), until ``stop`` is set.

    Raises:
        ReplayError: the history cannot be read on; what came before it was sent.
        BrokenOffError: Kafka ended the open transaction; ``resume`` goes on after what was committed.
        aiokafka.errors.KafkaError: Kafka refused or went away; the open transaction is aborted.
    """
    began, report, stop, pace = time.monotonic(), Report(), stop or asyncio.Event(), Pace(speed)
    producer = AIOKafkaProducer(
        **client_options(kafka),
        transactional_id=history.name,
        transaction_timeout_ms=int(kafka.transaction_timeout_s * 1000),
        compression_type=COMPRESSION,
        linger_ms=5,
    )
    async with started(producer):
        # The producer's start ended whatever transaction a killed replay left open, so this position is final.
        positions = await _positions(kafka, history) if resume else {}
        report.resumed_at = sum(positions.values())
        window = _Window(producer, topic, history.name)
        async with _settled(window, kafka):
            async for item in history.items(positions):
                wait_s = pace.delay(item.when, time.monotonic())
                if window.due(wait_s):
                    await window.commit()
                if stop.is_set() or await _stopped_within(wait_s, stop):
                    break
                sent = await window.add(item)
                report.sent += sent
                report.too_large += not sent
                progress(report)
            else:
                report.finished = True
    report.seconds = time.monotonic() - began
    return report


@asynccontextmanager
async def _settled(window: _Window, kafka: KafkaSettings) -> AsyncIterator[None]:
    """Commit what is complete at the end, however the block ended; abort it where sending or committing failed."""
    try:
        try:
            yield
        finally:
            if not window.broken:
                await window.commit()
    except BaseException as error:
        if not window.broken:
            raise
        await window.abort()
        cause = window.fatal()
        if cause is None:
            raise
        cause, limit = cause.__cause__ or cause, kafka.transaction_timeout_s
        if isinstance(cause, FORBIDDEN):
            raise cause from error
        raise BrokenOffError(
            f"Kafka takes no more from this replay ({type(cause).__name__}): most likely it was frozen or out of "
            f"reach for over kafka.transaction_timeout_s ({limit:g} s), or another replay of the same history has "
            "started"
        ) from error


async def _stopped_within(seconds: float, stop: asyncio.Event) -> bool:
    if seconds <= 0:
        return False
    waiting: Awaitable[bool] = stop.wait()
    with suppress(TimeoutError):
        await asyncio.wait_for(waiting, seconds)
    return stop.is_set()


async def _positions(kafka: KafkaSettings, history: History) -> Positions:
    async with AIOKafkaConsumer(**client_options(kafka), group_id=history.name, enable_auto_commit=False) as consumer:
        consumer.assign(history.marks)
        found = {mark: await consumer.committed(mark) for mark in history.marks}
    return {mark: offset for mark, offset in found.items() if offset is not None}
