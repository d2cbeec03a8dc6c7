"""Reads topics as a subscriber should: committed transactions only, from a moment in time, until told to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError
from pydantic import BaseModel, ValidationError

from stream_app.kafka.clients import admin_client, consumer_options
from stream_app.settings import KafkaSettings, Settings

logger = logging.getLogger(__name__)

Model = TypeVar("Model", bound=BaseModel)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Pass it as ``since`` to read a topic from its beginning."""

_MAX_RECORDS = 500
_POLL_MS = 500
_GONE_S = 5.0
"""A topic that is missing for so long is gone; a broker that has just started may not know it yet."""


@dataclass(frozen=True, slots=True)
class Received:
    """One record. ``value`` is empty for a tombstone; ``timestamp`` is the one Kafka keeps, in UTC."""

    topic: str
    partition: int
    offset: int
    timestamp: datetime
    key: str | None
    headers: dict[str, str]
    value: bytes

    @property
    def place(self) -> str:
        """Where it stands, as people are told."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


async def subscribe(
    settings: Settings,
    topics: Sequence[str],
    *,
    since: datetime | None = None,
    group: str | None = None,
    until_end: bool = False,
) -> AsyncIterator[Received]:
    """Yield the records of ``topics``, in order within a partition, those of aborted transactions left out.

    Ends only when cancelled or closed, or with ``until_end`` once every partition has been read to where it ended at
    the start. The end is a position, not a count: the markers that close transactions take offsets too. Transactions
    open at that moment are waited for, since Kafka says "committed" a little before readers may see the records.

    Args:
        settings: Where Kafka is.
        topics: Topics that exist. Partitions that are added to one later are read from their beginning once they are
            noticed (``kafka.metadata_max_age_s``).
        since: Records at or after this moment; :data:`EPOCH` for all there are; None for new ones only.
        group: Consumer group: its members share the partitions and go on where the group has got to (``since`` counts
            only where it has not been yet). The group's place is kept after every batch, so a crash repeats
            at most 500 records and loses none.
        until_end: Stop at the present end. Not for a group, whose members each see a part.

    Raises:
        UnknownTopicOrPartitionError: a topic does not exist, or not any more.
        KafkaError: Kafka cannot be reached or refuses.
    """
    if group is not None and until_end:
        raise ValueError("until_end is for a lone reader: a group's members each see a part of the topics")
    partitions = await partitions_of(settings, topics)
    consumer = AIOKafkaConsumer(
        **consumer_options(settings.kafka),
        group_id=group,
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",  # of what is there no more: where a position is wanted, _seek gives one
    )
    await consumer.start()
    try:
        if group is None:
            # Before it: of partitions without a place aiokafka asks by itself, and logs each leader that is not ready.
            starts = await starts_of(consumer, partitions, since)
            consumer.assign(partitions)
            for partition, start in starts.items():
                consumer.seek(partition, start)
        else:
            consumer.subscribe(list(topics), listener=_StartAt(consumer, since))
        ends = await ends_of(settings.kafka, partitions) if until_end else None
        async for received in _records(consumer, topics, ends, commit=group is not None):
            yield received
    finally:
        await consumer.stop()


async def partitions_of(settings: Settings, topics: Sequence[str]) -> list[TopicPartition]:
    """All partitions of ``topics``.

    Raises:
        UnknownTopicOrPartitionError: a topic does not exist.
        KafkaError: Kafka cannot be reached or refuses.
    """
    async with admin_client(settings.kafka) as admin:
        found = await admin.describe_topics(list(topics))
    missing = sorted(topic["topic"] for topic in found if topic["error_code"])
    if missing:
        raise UnknownTopicOrPartitionError(
            f"no topic {', '.join(missing)}: start a worker, which creates the topics, check the topic prefix, or ask "
            "for an ACL that lets this user read it"
        )
    return [TopicPartition(topic["topic"], each["partition"]) for topic in found for each in topic["partitions"]]


async def ends_of(kafka: KafkaSettings, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where partitions end, open transactions included: a committed reader that gets there has seen all there is now.

    Where such a reader sees the end may lie before what a producer was told is committed: Kafka says so first, and
    closes the transaction in one partition after the other then. For a moment only one part of it can be read.
    """
    async with AIOKafkaConsumer(**consumer_options(kafka), isolation_level="read_uncommitted") as probe:
        ends: dict[TopicPartition, int] = await probe.end_offsets(partitions)
    return ends


async def _records(
    consumer: AIOKafkaConsumer, topics: Collection[str], ends: dict[TopicPartition, int] | None, *, commit: bool
) -> AsyncIterator[Received]:
    growth = _Growth(consumer, topics, alone=not commit)
    while ends is None or not await reached(consumer, ends):
        batch = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
        await growth.follow()
        for records in batch.values():
            for record in records:
                if ends is None or record.offset < ends[TopicPartition(record.topic, record.partition)]:
                    yield received_of(record)
        if commit and batch:
            await consumer.commit({tp: records[-1].offset + 1 for tp, records in batch.items()})


class _Growth:
    """Reads partitions that are added to topics, and tells when a topic is gone; aiokafka does so for groups only."""

    def __init__(self, consumer: AIOKafkaConsumer, topics: Collection[str], *, alone: bool) -> None:
        self._consumer, self._topics, self._alone = consumer, topics, alone
        self._gone: dict[str, float] = {}

    async def follow(self) -> None:
        """Look at what aiokafka has heard of the topics.

        Raises:
            UnknownTopicOrPartitionError: one has been gone for a while.
        """
        found = {topic: self._consumer.partitions_for_topic(topic) for topic in self._topics}
        now = time.monotonic()
        self._gone = {topic: self._gone.get(topic, now) for topic, numbers in found.items() if not numbers}
        if gone := sorted(topic for topic, since in self._gone.items() if now - since > _GONE_S):
            raise UnknownTopicOrPartitionError(f"no topic {', '.join(gone)} any more: it was deleted while it was read")
        there = {TopicPartition(topic, number) for topic, numbers in found.items() for number in numbers or ()}
        mine = self._consumer.assignment()
        if not self._alone or there <= mine:
            return
        positions = {each: await self._consumer.position(each) for each in mine}
        self._consumer.assign([*mine, *(there - mine)])
        for each in mine | there:
            self._consumer.seek(each, positions.get(each, 0))


async def reached(consumer: AIOKafkaConsumer, ends: Mapping[TopicPartition, int]) -> bool:
    """Whether a consumer has read each of its partitions up to where ``ends`` says, control records included."""
    return all([await consumer.position(tp) >= end for tp, end in ends.items()])


async def seek(consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: datetime | None) -> None:
    """Move ``partitions`` to where :func:`starts_of` says."""
    for partition, start in (await starts_of(consumer, partitions, since)).items():
        consumer.seek(partition, start)


async def starts_of(
    consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: datetime | None
) -> dict[TopicPartition, int]:
    """Of each partition its first record at or after ``since``; its end where there is none."""
    starts: dict[TopicPartition, int]
    if since == EPOCH:
        starts = await consumer.beginning_offsets(partitions)
        return starts
    found = {} if since is None else await consumer.offsets_for_times({tp: _milliseconds(since) for tp in partitions})
    starts = await consumer.end_offsets(partitions)
    return starts | {tp: first.offset for tp, first in found.items() if first is not None}


class _StartAt(ConsumerRebalanceListener):
    """Puts partitions the group has no position in at ``since``."""

    def __init__(self, consumer: AIOKafkaConsumer, since: datetime | None) -> None:
        self._consumer = consumer
        self._since = since

    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Nothing to do: what was not committed is read again by its next owner."""

    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        fresh = [tp for tp in assigned if await self._consumer.committed(tp) is None]
        if fresh:
            await seek(self._consumer, fresh, self._since)


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def read_as(received: Received, model: type[Model], what: str) -> Model | None:
    """The value as a ``model``; of what somebody else put there, and is no ``what``, a line in the log and None."""
    try:
        return model.model_validate_json(received.value)
    except ValidationError as error:
        logger.warning("skipped %s, which is no %s: %s", received.place, what, error.errors()[0]["msg"])
        return None


def _moment(milliseconds: int) -> datetime:
    """A record's time; long ago where its sender wrote one that is in no calendar."""
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return EPOCH


def received_of(record: ConsumerRecord[bytes, bytes]) -> Received:
    """A record as this program hands it on."""
    return Received(
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        timestamp=_moment(record.timestamp),
        key=None if record.key is None else record.key.decode(errors="replace"),
        headers={name: value.decode(errors="replace") for name, value in record.headers},
        value=record.value or b"",
    )
