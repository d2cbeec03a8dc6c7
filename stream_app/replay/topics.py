"""History from Kafka topics between two times, all their partitions merged by record time.

Three traps are dealt with here. Offsets count transaction markers and aborted records, which are never delivered: so a
read ends when the consumer's *position* reaches the end, and no record is waited for or counted. ``offsets_for_times``
finds markers too, and those bear the time of their commit, not of the history: so it may only say where to begin, and
the records themselves say what lies between the times. And an end is the last stable offset: what an open transaction
may yet commit is not part of this history.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from stream_app.kafka.clients import admin_client, consumer_options
from stream_app.replay.history import Item, Positions, ReplayError
from stream_app.settings import KafkaSettings

_POLL_MS = 500
_AHEAD = 500
"""Records held per partition while merging."""


class TopicHistory:
    """Committed records of ``sources`` with ``since`` <= record time < ``until`` (None: open-ended), for ``topic``.

    Positions are the sources' own offsets. Partitions are read to their present end whatever ``until`` says: nothing
    tells where a time ends, since producers may set record times out of order.
    """

    def __init__(
        self, kafka: KafkaSettings, sources: Sequence[str], topic: str, since: datetime | None, until: datetime | None
    ) -> None:
        self._kafka = kafka
        self._sources = sources
        self._since, self._until = _milliseconds(since), _milliseconds(until)
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self.done = 0
        self.total = 0
        asked = repr((topic, sorted(sources), self._since, self._until))
        self.name = f"crisis-stream.replay.{hashlib.sha256(asked.encode()).hexdigest()[:16]}"

    @property
    def marks(self) -> tuple[TopicPartition, ...]:
        """The sources' partitions; known once :meth:`find` ran."""
        return tuple(self._ends)

    async def find(self) -> None:
        """Look up where the two times lie in each partition.

        Raises:
            ReplayError: a source topic does not exist.
        """
        partitions = await self._partitions()
        async with AIOKafkaConsumer(**consumer_options(self._kafka), isolation_level="read_committed") as consumer:
            self._ends = await consumer.end_offsets(partitions)
            self._starts = await consumer.beginning_offsets(partitions)
            if self._since is not None:
                found = await consumer.offsets_for_times(dict.fromkeys(partitions, self._since))
                self._starts = {each: found[each].offset if found[each] else self._ends[each] for each in partitions}
        self.total = sum(max(0, self._ends[each] - self._starts[each]) for each in partitions)

    async def _partitions(self) -> list[TopicPartition]:
        async with admin_client(self._kafka) as admin:
            found = await admin.describe_topics(list(self._sources))
        if missing := [topic["topic"] for topic in found if topic["error_code"]]:
            raise ReplayError(f"there is no topic {', '.join(missing)} in this Kafka")
        return [TopicPartition(topic["topic"], each["partition"]) for topic in found for each in topic["partitions"]]

    async def items(self, positions: Positions) -> AsyncIterator[Item]:
        """The records after the positions, oldest first; see :class:`~stream_app.replay.history.History`."""
        at = {each: max(start, positions.get(each, 0)) for each, start in self._starts.items()}
        self.done = sum(min(self._ends[each], at[each]) - self._starts[each] for each in at)
        reading = [each for each in at if at[each] < self._ends[each]]
        if not reading:
            return
        async with AIOKafkaConsumer(
            **consumer_options(self._kafka), isolation_level="read_committed", enable_auto_commit=False
        ) as consumer:
            consumer.assign(reading)
            for each in reading:
                consumer.seek(each, at[each])
            async for record in self._merged(consumer, reading):
                if self._wanted(record.timestamp):
                    where = TopicPartition(record.topic, record.partition)
                    yield Item(
                        record.value, record.timestamp / 1000, where, record.offset + 1, record.key, record.headers
                    )
        self.done = self.total

    def _wanted(self, time_ms: int) -> bool:
        return (self._since or 0) <= time_ms and (self._until is None or time_ms < self._until)

    async def _merged(self, consumer: Any, reading: list[TopicPartition]) -> AsyncIterator[ConsumerRecord[Any, Any]]:
        """Records of all partitions by time: the oldest head goes once every unfinished partition shows one."""
        ahead: dict[TopicPartition, deque[ConsumerRecord[Any, Any]]] = {each: deque() for each in reading}
        while ahead:
            if empty := [each for each, records in ahead.items() if not records]:
                for each, records in (await consumer.getmany(*empty, timeout_ms=_POLL_MS, max_records=_AHEAD)).items():
                    ahead[each].extend(record for record in records if record.offset < self._ends[each])
                for each in empty:
                    if not ahead[each] and await consumer.position(each) >= self._ends[each]:
                        del ahead[each]
                continue
            oldest = min(ahead, key=lambda each: ahead[each][0].timestamp)
            record = ahead[oldest].popleft()
            self.done += 1
            yield record


def _milliseconds(time: datetime | None) -> int | None:
    return None if time is None else int(time.timestamp() * 1000)
