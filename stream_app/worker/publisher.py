"""Publishes what is finished: events, dead letters and consumed offsets in one Kafka transaction.

Whatever finished while one transaction ran goes into the next, so batches grow with the load. An error before the
commit means that nothing was published: a new producer (its start aborts the old transaction) tries again, in halves if
the broker refuses a record, until that record alone becomes a dead letter. After the commit was asked for, the outcome
is unknown to us and known to Kafka: the process ends, and its successor reads the committed offsets.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import Any, Literal
from zlib import crc32

from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import (
    InvalidMessageError,
    InvalidTimestampError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
)
from aiokafka.partitioner import murmur2
from mode import Service

from stream_app.kafka.clients import producer_options, start
from stream_app.kafka.fencing import commit_as_member
from stream_app.kafka.inside_aiokafka import close_unflushed
from stream_app.pipeline.events.dead_letter import WITHOUT, Failure, dead_letter
from stream_app.pipeline.events.publish import Record
from stream_app.pipeline.feed.reader import Feed
from stream_app.settings import Settings
from stream_app.worker.metrics import Metrics, Told
from stream_app.worker.room import Room, size_of

_PRODUCE_BYTES = 256 * 1024
"""Bytes per produce batch: far under every broker's limit, so only a record that is itself too large is refused."""

_BACKOFF_MS = 5
"""Wait while the broker still writes the markers of the last transaction; the default of 100 is felt by every post."""

_MAX_POSTS = 2048
_FIRST_BYTES, _MAX_BYTES, _MIN_BYTES = 2 * 2**20, 8 * 2**20, 2**16
"""Of one transaction: what it begins with, at most and at least. One that takes a quarter of the time that Kafka gives
it is too large for this Kafka: the next has half as many, and more again when they are quick."""
_TOGETHER, _TOGETHER_S = 256, 0.5
"""Posts, or seconds, that make a transaction while the model is behind: one costs Kafka 6 ms, whatever it holds."""
_LONG_KEY = 8192
_CLOCK = (
    "Kafka refuses the time of this machine's clock: set the clock, or let Kafka stamp what is published, by "
    "message.timestamp.type=LogAppendTime on the topics of events, alerts and dead letters"
)
_REFUSED = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidMessageError)


@dataclass(slots=True)
class Outcome:
    """What became of one thing a record of the feed held: an event's records, or a dead letter."""

    records: list[Record]
    event: Told | None = None
    failure: Failure | None = None
    """Why it is a dead letter, where it is one."""
    part: bytes | None = None
    """What of a record with several failed; None where it is all of it."""
    became: Literal["withdrawal", "overtaken"] | None = None
    """Where it is neither: a withdrawal, or a post that was withdrawn or edited before it was published."""
    without: int = 0
    """How often Kafka refused that dead letter; see :data:`stream_app.pipeline.events.dead_letter.WITHOUT`."""


@dataclass(slots=True)
class Finished:
    """A record of the feed that is done with, and what became of all it held (nothing of a control line)."""

    source: ConsumerRecord
    outcomes: list[Outcome] = field(default_factory=list)
    notices: int = 0
    size: int = 0
    """Bytes of what is to be published, as of :meth:`Publisher.put`."""

    @property
    def posts(self) -> int:
        """How much of the room it took; see :class:`~stream_app.worker.room.Room`."""
        return max(len(self.outcomes), 1)


class Publisher(Service):
    """Writes finished posts and their offsets, transaction after transaction."""

    def __init__(self, settings: Settings, feed: Feed, room: Room, metrics: Metrics, **options: object) -> None:
        super().__init__(**options)
        self.settings, self.feed, self.room, self.metrics = settings, feed, room, metrics
        self._waiting: list[Finished] = []
        self._arrived = asyncio.Event()
        self._publishing = asyncio.Lock()
        self._published = 0.0
        self._bytes = _FIRST_BYTES
        self.commits = 0
        self._producer: AIOKafkaProducer | None = None
        worker = settings.worker
        self._transactional_id = f"{settings.topics.prefix}{worker.group_id}.{worker.replica}"

    def put(self, finished: Finished, *, hurry: bool = True) -> None:
        """Publish this with the next transaction; without ``hurry`` it may wait for others, which must be to come."""
        finished.size = sum(map(_size, finished.outcomes))
        self._waiting.append(finished)
        if hurry or len(self._waiting) >= _TOGETHER or time.monotonic() >= self._published + _TOGETHER_S:
            self._arrived.set()

    async def drain(self) -> None:
        """Let the running transaction end and drop what waits; whoever has the partitions next will do it again."""
        async with self._publishing:
            self._waiting.clear()

    async def on_start(self) -> None:
        """Start the producer, which ends whatever transaction a killed predecessor of this replica left open."""
        self._producer = await self._new_producer()

    async def on_stop(self) -> None:
        """Close the producer; a transaction that was waited for in vain is left to Kafka, which aborts it."""
        if self._producer is None:
            return
        if self._publishing.locked():
            await close_unflushed(self._producer)
        else:
            await self._producer.stop()

    @Service.task  # type: ignore[untyped-decorator]
    async def _publish_all(self) -> None:
        while not self.should_stop:
            await self._arrived.wait()
            self._arrived.clear()
            async with self._publishing:
                batch, self._waiting = _first_posts(self._waiting, _MAX_POSTS, self._bytes)
                held = [each for each in batch if not self.feed.fits(each.source)]
                ready = [each for each in batch if self.feed.fits(each.source)] if held else batch
                self._waiting = held + self._waiting
                if ready:
                    await self._publish(ready)
            if len(self._waiting) > len(held):
                self._arrived.set()

    async def _publish(self, batch: Sequence[Finished]) -> None:
        try:
            await self._transact(batch)
        except InvalidTimestampError as error:
            raise InvalidTimestampError(_CLOCK) from error
        except _REFUSED as error:
            await self._restart_producer()
            if len(batch) > 1:
                half = len(batch) // 2
                await self._publish(batch[:half])
                await self._publish(batch[half:])
            else:
                await self._publish([self._without_refused(batch[0], error)])

    async def _transact(self, batch: Sequence[Finished]) -> None:
        producer, began = self._producer, time.perf_counter()
        assert producer is not None
        sources = [each.source for each in batch]
        await producer.begin_transaction()
        sent = await self._send(
            producer, [record for each in batch for outcome in each.outcomes for record in outcome.records]
        )
        offsets = self.feed.offsets_after(sources)
        committing = producer.send_offsets_to_transaction(offsets, self.settings.worker.group_id)
        for answer in await asyncio.gather(*sent, committing, return_exceptions=True):
            if isinstance(answer, BaseException):
                raise answer
        await producer.commit_transaction()
        self.feed.finish(sources)
        self.room.leave(sum(each.posts for each in batch), sum(map(size_of, sources)))
        self._published = time.monotonic()
        self.commits += 1
        size, seconds = sum(each.size for each in batch), time.perf_counter() - began
        self._fit(size, seconds)
        self._count(batch, size, seconds)

    def _fit(self, size: int, seconds: float) -> None:
        """Make the next transactions as large as Kafka's pace allows."""
        if seconds > self.settings.kafka.transaction_timeout_s / 4:
            self._bytes = max(min(self._bytes, size) // 2, _MIN_BYTES)
        elif size > self._bytes / 2:
            self._bytes = min(2 * self._bytes, _MAX_BYTES)

    async def _send(self, producer: AIOKafkaProducer, records: Sequence[Record]) -> list[asyncio.Future[object]]:
        """Hand records to the producer in whole batches; a message at a time would cost a future each."""
        sent = []
        builders: dict[tuple[str, int], Any] = {}
        sizes = {topic: len(await producer.partitions_for(topic)) for topic in {record.topic for record in records}}
        hashes = {key: _hash(key) for key in {record.key for record in records}}
        for topic, key, value, headers in records:
            place = topic, hashes[key] % sizes[topic]
            builder = builders.get(place)
            if builder is None or builder.append(timestamp=None, key=key, value=value, headers=headers) is None:
                if builder is not None:
                    sent.append(await producer.send_batch(builder, topic, partition=place[1]))
                builders[place] = builder = producer.create_batch()
                builder.append(timestamp=None, key=key, value=value, headers=headers)
        for (topic, partition), builder in builders.items():
            sent.append(await producer.send_batch(builder, topic, partition=partition))
        return sent

    def _without_refused(self, finished: Finished, error: KafkaError) -> Finished:
        """The same with a dead letter for what the broker must have refused: of several posts the largest."""
        largest = max(range(len(finished.outcomes)), key=lambda number: _size(finished.outcomes[number]))
        outcomes = list(finished.outcomes)
        outcomes[largest] = self._refused(finished, outcomes[largest], error)
        return replace(finished, outcomes=outcomes, size=sum(map(_size, outcomes)))

    def _refused(self, finished: Finished, outcome: Outcome, error: KafkaError) -> Outcome:
        """The dead letter for what the broker refused; a smaller one each time that it refuses that too.

        Raises:
            aiokafka.errors.KafkaError: it refuses the smallest, which only a topic for next to nothing can.
        """
        topic, failure, step = self.settings.topics.dead_letters, outcome.failure, outcome.without + 1
        if failure is None:
            model = outcome.event.labelling.model if outcome.event else None
            asked = f"{model.name} {model.version}" if model else None
            failure, step = Failure("publish", f"Kafka refused the record: {error!r}", asked), 0
        if step == len(WITHOUT):
            raise type(error)(f"{topic} takes not even a dead letter without its original: raise its max.message.bytes")
        letter = dead_letter(topic, finished.source, failure, WITHOUT[step], value=outcome.part)
        return Outcome([letter], failure=failure, part=outcome.part, without=step)

    async def _new_producer(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            **producer_options(self.settings.kafka),
            client_id=self.settings.worker.replica,
            transactional_id=self._transactional_id,
            transaction_timeout_ms=int(self.settings.kafka.transaction_timeout_s * 1000),
            max_batch_size=_PRODUCE_BYTES,
            retry_backoff_ms=_BACKOFF_MS,
        )
        commit_as_member(producer, self.feed.membership)
        await start(producer)
        return producer

    async def _restart_producer(self) -> None:
        assert self._producer is not None
        await close_unflushed(self._producer)
        self._producer = await self._new_producer()

    def _count(self, batch: Sequence[Finished], size: int, seconds: float) -> None:
        self.metrics.transaction(seconds, size)
        outcomes = [outcome for each in batch for outcome in each.outcomes]
        self.metrics.events([outcome.event for outcome in outcomes if outcome.event is not None])
        self.metrics.control_lines(sum(each.notices for each in batch))
        for outcome in outcomes:
            if outcome.failure is not None:
                self.metrics.dead_letter(outcome.failure.stage)
            elif outcome.became is not None:
                self.metrics.neither(outcome.became)


def _first_posts(waiting: list[Finished], most: int, most_bytes: int) -> tuple[list[Finished], list[Finished]]:
    """Records with at most so many posts and bytes to publish, one record at least, and the rest.

    Where not all fit, partitions take turns: a fresh post is not behind all that came before it of a backlog.
    """
    first, rest = _fitting(waiting, most, most_bytes)
    return _fitting(_in_turn(waiting), most, most_bytes) if rest else (first, rest)


def _fitting(waiting: list[Finished], most: int, most_bytes: int) -> tuple[list[Finished], list[Finished]]:
    posts = size = 0
    for number, each in enumerate(waiting):
        posts += each.posts
        size += each.size
        if number and (posts > most or size > most_bytes):
            return waiting[:number], waiting[number:]
    return waiting, []


def _in_turn(waiting: list[Finished]) -> list[Finished]:
    """The first of each partition, then the second of each, and so on."""
    lanes: dict[int, list[Finished]] = {}
    for each in waiting:
        lanes.setdefault(each.source.partition, []).append(each)
    return [each for one_of_each in zip_longest(*lanes.values()) for each in one_of_each if each is not None]


def _size(outcome: Outcome) -> int:
    if outcome.failure is not None:  # only a dead letter has a stranger's headers; ours are short, and counting costs
        return sum(map(size_of, outcome.records))
    return sum([len(record.value or b"") + len(record.key or b"") for record in outcome.records])


def _hash(key: bytes | None) -> int:
    """As every Kafka client hashes by default, so that equal keys meet in one partition; no key goes to the first.

    That hash is computed in Python, more than a second for a megabyte, in which no heartbeat goes out: a key that long,
    which only a stranger's record has, gets a quicker one.
    """
    if key is None:
        return 0
    return (murmur2(key) if len(key) <= _LONG_KEY else crc32(key)) & 0x7FFFFFFF
