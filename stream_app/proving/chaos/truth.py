"""The checker: it rebuilds from the raw topics what became of every post."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from model.scorer import CONCEPTS, PostInput
from model.serving.fixed import FixedScorer
from stream_app.kafka.clients import admin_client, consumer_options
from stream_app.kafka.inside_aiokafka import partitions_of
from stream_app.kafka.subscribe import reached
from stream_app.pipeline.events.dead_letter import read_dead_letter
from stream_app.pipeline.events.event import WITHDRAWN_TYPE, Event, Timings
from stream_app.pipeline.events.route import topics_of
from stream_app.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """What a program of chaos saw: figures for people, and what was wrong (empty when all was well)."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


def group_of(settings: Settings) -> str:
    """The consumer group of a program's workers."""
    return f"{settings.topics.prefix}chaos"


class Truth:
    """Reads events, alerts and dead letters as a ``read_committed`` subscriber does.

    ``events`` are counted by post id, ``letters`` by their original key (what was left out of one too large is named by
    :func:`place`), ``ids`` by topic and CloudEvents id. Of each event there are the moment when Kafka had it
    and what its worker says of the time it took. Labels are looked at where the ``model`` is the
    fixed scorer, whose labels for a text are known.
    """

    def __init__(self, settings: Settings, model: str = "fixed") -> None:
        self.settings = settings
        self.events: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self.ids: Counter[tuple[str, str]] = Counter()
        self.due: set[tuple[str, str]] = set()
        self.mislabelled: list[str] = []
        self.degraded: set[str] = set()
        self.written_s: dict[str, float] = {}
        self.timings: dict[str, Timings] = {}
        self._scorer = FixedScorer() if model == "fixed" else None
        self._consumer = self._reader("read_committed")

    def _reader(self, isolation: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **consumer_options(self.settings.kafka),
            isolation_level=isolation,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        topics = self.settings.topics
        self._consumer.assign(
            await _partitions(self._consumer, topics.events, topics.dead_letters, *map(topics.alerts, CONCEPTS))
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    @property
    def seen(self) -> int:
        """Posts with an end, whichever."""
        return len(self.events.keys() | self.letters.keys())

    def begin_anew(self, topic: str) -> None:
        """Read a topic from its beginning: another one by that name, which is to come."""
        for each in self._consumer.assignment():
            if each.topic == topic:
                self._consumer.seek(each, 0)

    async def read(self, timeout_ms: int = 100) -> None:
        """Count what has arrived."""
        for partition, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            for record in records:
                if partition.topic == self.settings.topics.dead_letters:
                    self.letters[_name_of(record)] += 1
                    continue
                headers = dict(record.headers)
                if headers["ce_type"] == WITHDRAWN_TYPE.encode():
                    continue
                self.ids[partition.topic, headers["ce_id"].decode()] += 1
                if partition.topic == self.settings.topics.events:
                    self._look_at(record)

    def _look_at(self, record: ConsumerRecord) -> None:
        event = Event.model_validate_json(record.value)
        post = event.post.id
        self.events[post] += 1
        self.written_s[post] = record.timestamp / 1000
        self.timings[post] = event.timings
        labels = {concept: getattr(event.labels, concept) for concept in CONCEPTS}
        self.due |= {(topic, event.id) for topic in topics_of(labels, self.settings.topics, self.settings.alerts)}
        if event.degraded:
            self.degraded.add(post)
        if self._scorer is None:
            return
        (expected,) = self._scorer.score([PostInput(event.post.text)])
        pairs = (
            (event.labels.informativeness.label, expected.labels["informativeness"].label),
            (event.labels.humanitarian.label, expected.labels["humanitarian"].label),
        )
        if any(given != right for given, right in pairs):
            self.mislabelled.append(post)

    async def wait(self, posts: int, timeout_s: float, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Read until ``posts`` posts have an end; False if that did not come about in time."""
        deadline = time.monotonic() + timeout_s
        while self.seen < posts:
            if time.monotonic() > deadline:
                return False
            meanwhile()
            await self.read()
        return True

    async def settle(self, timeout_s: float = 60.0) -> tuple[list[str], int]:
        """With all workers gone: read on to the very end, and see what the group has committed.

        Returns what is wrong (open transactions, posts done but not committed), and how many events were rolled back.
        """
        async with self._reader("read_uncommitted") as everything:
            ends = await everything.end_offsets(list(self._consumer.assignment()))
            fed = await everything.end_offsets(await _partitions(everything, self.settings.topics.posts))
            deadline = time.monotonic() + timeout_s
            while not await reached(self._consumer, ends):
                if time.monotonic() > deadline:
                    return [f"a transaction was still open after {timeout_s:g} s"], 0
                await self.read()
            # What a transaction commits for a group may be seen a little after its records.
            while (behind := await self._behind(fed)) and time.monotonic() < deadline:  # noqa: ASYNC110 - Kafka tells nobody
                await asyncio.sleep(0.1)
            return behind, await self._written(everything, ends) - sum(self.events.values())

    async def _behind(self, fed: dict[TopicPartition, int]) -> list[str]:
        async with admin_client(self.settings.kafka) as admin:
            kept = await admin.list_consumer_group_offsets(group_of(self.settings))
        return [
            f"partition {each.partition} ends at {end} and is committed at {kept.get(each)}"
            for each, end in fed.items()
            if end and (each not in kept or (kept[each].offset, kept[each].metadata) != (end, ""))
        ]

    async def ends_of(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Where partitions end, as a committed reader sees them."""
        ends: dict[TopicPartition, int] = await self._consumer.end_offsets(list(partitions))
        return ends

    async def length_of(self, topic: str) -> int:
        """The sum of the end offsets of a topic's partitions, as a committed reader sees them."""
        return sum((await self._consumer.end_offsets(await _partitions(self._consumer, topic))).values())

    async def _written(self, everything: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> int:
        """Events in the topic, those of aborted transactions too."""
        of_events = {each: end for each, end in ends.items() if each.topic == self.settings.topics.events}
        everything.assign(list(of_events))
        count = 0
        while not await reached(everything, of_events):
            count += sum(len(records) for records in (await everything.getmany(timeout_ms=100)).values())
        return count

    def verdict(
        self, events: Sequence[str], letters: Sequence[str] = (), *, wrong: Iterable[str] = (), **figures: Any
    ) -> Verdict:
        """Compare with what was sent: keys that must be events, and keys that must be dead letters, once each.

        Beside these: every event's labels are those of its text, and it is in each alert topic that it is due in, once.
        """
        ends = self.events + self.letters
        sent = [*events, *letters]
        lost = [key for key in sent if not ends[key]]
        twice = [key for key in sent if ends[key] > 1]
        found = (
            (lost, "lost"),
            (twice, "published twice"),
            ([each for each, count in self.ids.items() if count > 1], "event ids twice in a topic"),
            ([key for key in events if self.letters[key]], "dead letters that should be events"),
            ([key for key in letters if self.events[key]], "events that should be dead letters"),
            (sorted(ends.keys() - set(sent)), "that nobody sent"),
            (self.mislabelled, "with another post's labels"),
            (sorted(self.due ^ self.ids.keys()), "alerts missing or not due"),
        )
        problems = [f"{len(keys)} {what}, e.g. {keys[:3]}" for keys, what in found if keys]
        counted = {"sent": len(sent), "events": sum(self.events.values()), "dead letters": sum(self.letters.values())}
        alerts = len(self.ids) - len(self.events)
        return Verdict(
            {**counted, "alerts": alerts, "lost": len(lost), "duplicates": len(twice), **figures}, (*problems, *wrong)
        )


def place(partition: int, offset: int) -> str:
    """What a dead letter is counted by whose key was too large to come along: where its original stands."""
    return f"at {partition}:{offset}"


def _name_of(record: ConsumerRecord) -> str:
    letter = read_dead_letter(record.headers)
    return place(*letter.source[1:]) if letter.left_out else (record.key or b"").decode("utf-8", "replace")


async def _partitions(consumer: AIOKafkaConsumer, *topics: str) -> list[TopicPartition]:
    found = []
    for topic in topics:
        found += [TopicPartition(topic, number) for number in await partitions_of(consumer, topic)]
    return found
