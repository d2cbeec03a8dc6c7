"""A small transaction that carries posts into a topic together with the place its sender has reached.

The place is kept as committed offsets of a consumer group of the sender's own. So after a kill at any moment whoever
starts next under the same name goes on right after the last item that ``read_committed`` readers can see.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, MessageSizeTooLargeError
from aiokafka.structs import OffsetAndMetadata

from stream_app.kafka.clients import FORBIDDEN, producer_options
from stream_app.kafka.inside_aiokafka import end_of_transaction, failure_of, waits_for_room
from stream_app.settings import KafkaSettings

WINDOW_ITEMS = 1000
WINDOW_S = 0.2
"""A transaction holds back what it carries from committed readers, so it stays short."""


class BrokenOffError(Exception):
    """Kafka ended the open transaction for good. What was committed is kept; whoever starts next goes on after it."""


def transactional_producer(kafka: KafkaSettings, name: str) -> AIOKafkaProducer:
    """A producer under the transactional id ``name``; its start ends what a killed one of that name left open."""
    return AIOKafkaProducer(
        **producer_options(kafka),
        transactional_id=name,
        transaction_timeout_ms=int(kafka.transaction_timeout_s * 1000),
        linger_ms=5,
    )


@dataclass
class Window:
    """One open transaction, or none: what it sent and how far that reaches; ``broken`` when it can only be aborted."""

    producer: Any
    topic: str
    group: str
    opened: float | None = None
    waiting: list[asyncio.Future[Any]] = field(default_factory=list)
    reached: dict[TopicPartition, int | OffsetAndMetadata] = field(default_factory=dict)
    broken: bool = False

    async def send(
        self,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        topic: str | None = None,
    ) -> bool:
        """Send one item in the open transaction, to ``topic`` if given; False when it is too large for Kafka."""
        with self._or_broken():
            await self._open()
            try:
                sent = await self.producer.send(topic or self.topic, value, key=key, headers=list(headers))
            except MessageSizeTooLargeError:
                return False
            self.waiting.append(sent)
        return True

    async def reach(self, at: TopicPartition, place: int | OffsetAndMetadata) -> None:
        """Note that ``at`` reached ``place``, which the commit will keep."""
        with self._or_broken():
            await self._open()
            self.reached[at] = place

    def due(self, wait_s: float) -> bool:
        """True when it is full, or would be too old after a wait of ``wait_s``."""
        if self.opened is None:
            return False
        return len(self.waiting) >= WINDOW_ITEMS or time.monotonic() + wait_s - self.opened > WINDOW_S

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
        for answer in (*self.waiting, end, *waits_for_room(self.producer)):
            if answer is not None:
                answer.add_done_callback(_seen)

    def fatal(self) -> BaseException | None:
        """Why the producer can do no more; None where it can."""
        return failure_of(self.producer)

    async def _open(self) -> None:
        if self.opened is None:
            await self.producer.begin_transaction()
            self.opened = time.monotonic()

    @contextmanager
    def _or_broken(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.broken = True
            raise


@asynccontextmanager
async def settled(window: Window, kafka: KafkaSettings, who: str, rival: str) -> AsyncIterator[None]:
    """Commit what is complete at the end, however the block ended; abort it where sending or committing failed.

    Raises:
        BrokenOffError: Kafka takes no more from ``who``: it was out of reach for too long, or ``rival``.
    """
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
            f"Kafka takes no more from {who} ({type(cause).__name__}): most likely it was frozen or out of "
            f"reach for over kafka.transaction_timeout_s ({limit:g} s), or {rival}"
        ) from error


def _seen(answer: asyncio.Future[Any]) -> None:
    """Take note of an error that was told of already; asyncio would log it as never retrieved."""
    if not answer.cancelled():
        answer.exception()
