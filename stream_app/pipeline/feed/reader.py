"""Raw records of the feed topic, for as long as their partitions are this worker's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from math import inf
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import (
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
)
from aiokafka.structs import OffsetAndMetadata
from mode import Service

from stream_app.kafka.clients import consumer_options
from stream_app.kafka.fencing import Membership, read_stable_offsets
from stream_app.kafka.inside_aiokafka import client_of, leave_on_stop, member_of, position_now, rejoin, wait_for_more
from stream_app.kafka.shape import Shape, shapes_of
from stream_app.pipeline.feed.progress import Progress
from stream_app.pipeline.feed.registry import Registry
from stream_app.settings import Settings

_FETCH_BYTES = 64 * 1024
"""Kafka answers a fetch when this much is there, or after half a batch's deadline. Told of each post by itself, at a
few hundred posts a second, worker and broker would spend more on asking and answering than on the posts."""
_UNHURRIED_MS = 200
"""Kafka may wait this long for more while the model is behind: what came now would only stand in line."""
_ENDS_EVERY_S = 5.0

Drain = Callable[[], Awaitable[None]]


class Feed(Service, ConsumerRebalanceListener):
    """Reads the feed as one member of the worker group.

    The replica is a static member (KIP-345): killed and restarted within the session timeout it gets its partitions
    back at once, without a rebalance. Stopped in order, it leaves, and the others take over at once.

    Args:
        settings: All settings.
        drain: Called before partitions are given up; must finish or drop all work on them.
        expired: Called with the number of records that Kafka deleted before they were read.
    """

    def __init__(self, settings: Settings, drain: Drain, expired: Callable[[int], None], **options: Any) -> None:
        super().__init__(**options)
        self.settings = settings
        self.membership = Membership()
        self.registry = Registry(settings.feed.registry)
        self.partitions: frozenset[TopicPartition] = frozenset()
        self._drain, self._expired = drain, expired
        self._progress: dict[int, Progress] = {}
        self._turn = 0
        self._round = 0
        self._written: dict[TopicPartition, int] = {}
        self._starts: dict[TopicPartition, int] = {}
        self._ends: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None
        self._wait_ms = max(int(settings.labelling.deadline_ms / 2), 1)

    async def on_start(self) -> None:
        """Join the group.

        Raises:
            OSError: the file with the registry's authority cannot be read.
            aiokafka.errors.TopicAuthorizationFailedError: this user may not see the feed, and would wait for ever.
        """
        await self.add_async_context(self.registry)
        kafka, worker = self.settings.kafka, self.settings.worker
        consumer = AIOKafkaConsumer(
            **consumer_options(kafka),
            client_id=worker.replica,
            group_id=worker.group_id,
            group_instance_id=worker.replica,
            session_timeout_ms=int(kafka.session_timeout_s * 1000),
            heartbeat_interval_ms=int(kafka.session_timeout_s * 1000 / 4),
            rebalance_timeout_ms=int(max(worker.drain_timeout_s, kafka.session_timeout_s) * 1000),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",  # see _place
            fetch_min_bytes=_FETCH_BYTES,
            fetch_max_wait_ms=self._wait_ms,
        )
        read_stable_offsets(consumer, self.membership)
        self._consumer = consumer
        await consumer.start()
        if self.settings.topics.posts not in await consumer.topics():
            raise TopicAuthorizationFailedError(self.settings.topics.posts)
        consumer.subscribe([self.settings.topics.posts], listener=self)

    async def on_stop(self) -> None:
        """Leave the group."""
        if self._consumer is not None:
            leave_on_stop(self._consumer)
            await self._consumer.stop()

    async def take(self, limit: int, timeout_ms: int = 200, *, hurry: bool = True) -> list[ConsumerRecord]:
        """Up to ``limit`` records to work on; empty after ``timeout_ms`` without any.

        Without ``hurry`` Kafka is asked less often for those after them.
        """
        assert self._consumer is not None
        wait_for_more(self._consumer, self._wait_ms if hurry else _UNHURRIED_MS)
        this_round = self._round
        batches = await self._in_turn(limit)
        if not batches:
            # While partitions change hands this waits, and then returns records of the new assignment only: aiokafka
            # checks right before it returns, without giving up the event loop in between.
            batches = await self._getmany(timeout_ms=timeout_ms, max_records=limit)
            this_round = self._round
        await self.registry.learn(record.value for records in batches.values() for record in records)
        if this_round != self._round:
            return []  # they changed hands meanwhile, and whoever has them reads again what was taken
        return [record for partition, records in batches.items() for record in self._new(partition.partition, records)]

    async def _getmany(self, *partitions: TopicPartition, **options: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """As aiokafka's; a partition where there is nothing to read at its position is put where there is."""
        assert self._consumer is not None
        try:
            found: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(*partitions, **options)
        except NoOffsetForPartitionError as error:
            await self._place(dict.fromkeys(error.args))
        except OffsetOutOfRangeError as error:
            await self._place(*error.args)
        else:
            return found
        return {}

    async def _place(self, positions: Mapping[TopicPartition, int | None]) -> None:
        """Go on where there is something to read, with a word about what is not there any more.

        Args:
            positions: Where each partition was to be read; None where the group has no place yet.
        """
        assert self._consumer is not None
        with suppress(KafkaError):  # aiokafka comes back with the same complaint
            firsts = await self._consumer.beginning_offsets(list(positions))
            ends = await self._consumer.end_offsets(list(positions))
            for partition, position in positions.items():
                here = position_now(self._consumer, partition)
                if partition not in self.partitions or here != (-1 if position is None else position):
                    continue  # it changed hands meanwhile
                first = firsts[partition]
                if position is None or first <= position <= ends[partition]:
                    self._consumer.seek(partition, first if position is None else position)
                elif position < first:
                    lost = self._of(partition.partition, position).unread(position, first)
                    self._expired(lost)
                    self.log.error(
                        "%d records of %s[%d] are lost: Kafka deleted them before they were read (retention)",
                        lost,
                        *partition,
                    )
                    self._consumer.seek(partition, first)
                else:
                    self._from_anew(partition, position, ends[partition])

    def _from_anew(self, partition: TopicPartition, position: int, end: int) -> None:
        """Read a partition from its beginning: it ends before the place where the group has got to."""
        assert self._consumer is not None
        self.log.warning(
            "%s[%d] ends at %d, before %d, where it was read to: made anew or cut, it is read from the beginning",
            *partition,
            end,
            position,
        )
        if partition.partition in self._progress:
            self.start_again()  # first let go of what is on its way
            return
        self.membership.committed.pop(partition, None)
        self._consumer.seek(partition, 0)

    def start_again(self) -> None:
        """Let go of all work and read on from what Kafka has committed, as after a change of partitions."""
        assert self._consumer is not None
        rejoin(self._consumer)

    async def shapes(self, topics: Collection[str]) -> dict[str, Shape | None]:
        """What topics are like; see :func:`stream_app.kafka.shape.shapes_of`."""
        assert self._consumer is not None
        return await shapes_of(client_of(self._consumer), topics)

    async def _in_turn(self, limit: int) -> dict[TopicPartition, list[ConsumerRecord]]:
        """What is here already, an equal share of each partition: one with a backlog does not hold up the others.

        With ``labelling.newest_first`` as much as there is, of those first of which the newest record was read last.
        """
        assert self._consumer is not None
        newest_first = self.settings.labelling.newest_first
        mine = sorted(self.partitions)
        self._turn += 1
        order = [mine[(self._turn + number) % len(mine)] for number in range(len(mine))]
        if newest_first:
            order.sort(key=lambda each: self._written.get(each, inf), reverse=True)
        batches: dict[TopicPartition, list[ConsumerRecord]] = {}
        for number, partition in enumerate(order):
            share = limit if newest_first else -(-limit // (len(order) - number))
            found = await self._getmany(partition, timeout_ms=0, max_records=share) if share else {}
            batches |= found
            limit -= sum(map(len, found.values()))
        self._written |= {partition: records[-1].timestamp for partition, records in batches.items()}
        return batches

    def fits(self, record: ConsumerRecord) -> bool:
        """Whether ``record`` may be finished now; see :meth:`Progress.fits`."""
        return self._of(record.partition).fits(record.offset)

    def offsets_after(self, records: Iterable[ConsumerRecord]) -> dict[TopicPartition, OffsetAndMetadata]:
        """What to commit once ``records`` are finished."""
        return {
            TopicPartition(self.settings.topics.posts, partition): OffsetAndMetadata(*self._of(partition).after(done))
            for partition, done in _by_partition(records).items()
        }

    def finish(self, records: Iterable[ConsumerRecord]) -> None:
        """Note that ``records`` were finished and committed."""
        for partition, offsets in _by_partition(records).items():
            self._of(partition).finish(offsets)

    def lag(self) -> dict[TopicPartition, int]:
        """Records behind the end of each partition, as far as the last fetches told.

        What is read and finished counts, not what is committed: the marker that closes a feeder's transaction takes an
        offset, is never committed, and would wait for ever at the end of a quiet feed.
        """
        return {partition: lag for partition in self.partitions if (lag := self._lag(partition)) is not None}

    def waiting(self) -> bool:
        """Whether there are records that could be read and have not been; those of open transactions could not."""
        assert self._consumer is not None
        return any(
            (self._consumer.last_stable_offset(each) or 0) > position_now(self._consumer, each) >= 0
            for each in self.partitions
        )

    def unread(self) -> bool:
        """Whether records may wait to be read: some do, or Kafka has not told yet where a partition ends."""
        assert self._consumer is not None
        ends = {each: self._consumer.last_stable_offset(each) for each in self.partitions}
        return any(end is None or end > position_now(self._consumer, each) for each, end in ends.items())

    def _lag(self, partition: TopicPartition) -> int | None:
        """None as long as nobody has told where the partition ends."""
        assert self._consumer is not None
        ends = [end for end in (self._consumer.highwater(partition), self._ends.get(partition)) if end is not None]
        if not ends:
            return None
        state, position = self._progress.get(partition.partition), position_now(self._consumer, partition)
        if state is not None:
            return max(max(ends) - state.reached(position), 0)
        committed, _ = self.membership.committed.get(partition, (-1, ""))
        return max(max(ends) - max(position, committed, self._starts.get(partition, 0)), 0)

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_for_ends(self) -> None:
        """Ask where partitions end: nothing may have been read of some, and the last fetch of others be long ago."""
        while not self.should_stop:
            mine = sorted(self.partitions)
            if mine and self._consumer is not None:
                with suppress(
                    KafkaError, AssertionError
                ):  # while Kafka is away there is no news; the feed itself says so
                    self._starts = await self._consumer.beginning_offsets(mine)
                    self._ends = await self._consumer.end_offsets(mine)
            await self.sleep(_ENDS_EVERY_S if mine else 0.2)

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Finish or drop all work before the partitions go to another worker."""
        self.partitions = frozenset()
        self._round += 1
        self._starts, self._ends, self._written = {}, {}, {}
        if revoked:
            self.log.info("giving up %d partitions", len(revoked))
        await self._drain()
        self._progress.clear()
        self.membership.committed.clear()

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Remember as which member the partitions were given to us."""
        assert self._consumer is not None
        self.membership.generation, self.membership.member_id = member_of(self._consumer)
        self.partitions = frozenset(assigned)
        self.log.info("assigned partitions %s", sorted(each.partition for each in assigned))

    def _new(self, partition: int, records: list[ConsumerRecord]) -> list[ConsumerRecord]:
        progress = self._of(partition, records[0].offset)
        return [record for record in records if progress.arrive(record.offset)]

    def _of(self, partition: int, first: int | None = None) -> Progress:
        if partition not in self._progress:
            topic = self.settings.topics.posts
            offset, metadata = self.membership.committed.get(TopicPartition(topic, partition), (-1, ""))
            # Nothing committed yet: the first record read is where the work begins.
            start = offset if offset >= 0 else first
            assert start is not None
            self._progress[partition] = Progress(start, metadata)
        return self._progress[partition]


def _by_partition(records: Iterable[ConsumerRecord]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for record in records:
        found.setdefault(record.partition, []).append(record.offset)
    return found
