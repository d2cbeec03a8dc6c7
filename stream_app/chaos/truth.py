"""The checker: it rebuilds from the raw topics what became of every post."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.kafka import client_options
from stream_app.settings import Settings


@dataclass(frozen=True)
class Verdict:
    """What a program of chaos saw: figures for people, and what was wrong (empty when all was well)."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: tuple[str, ...] = ()


def a_post(number: int, text: str = "the bridge collapsed", **more: object) -> bytes:
    """A post in the product's own format whose id and text have ``number``."""
    fields = {"network": "other", "id": str(number), "root_id": str(number), "created_at": "2026-03-01T00:00:00Z"}
    return json.dumps({**fields, "text": f"{text} {number}", **more}).encode()


async def feed(settings: Settings, posts: Iterable[tuple[str, bytes]]) -> None:
    """Put (key, value) pairs on the feed topic and wait until Kafka has them."""
    async with AIOKafkaProducer(**client_options(settings.kafka), linger_ms=5, enable_idempotence=True) as producer:
        sent = [await producer.send(settings.topics.posts, value, key=key.encode()) for key, value in posts]
        await asyncio.gather(*sent)


class Truth:
    """Reads events and dead letters as a ``read_committed`` subscriber does, and counts them by the post's key."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.events: Counter[str] = Counter()
        self.letters: Counter[str] = Counter()
        self.delays_s: dict[str, float] = {}
        self._consumer = AIOKafkaConsumer(
            **client_options(settings.kafka),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
        )

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        topics = [self.settings.topics.events, self.settings.topics.dead_letters]
        partitions: list[TopicPartition] = []
        for topic in topics:
            numbers = await self._consumer._client._wait_on_metadata(topic)  # noqa: SLF001 - as its producer does
            partitions += [TopicPartition(topic, number) for number in numbers]
        self._consumer.assign(partitions)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._consumer.stop()

    @property
    def seen(self) -> int:
        """Posts with an end, whichever."""
        return len(self.events.keys() | self.letters.keys())

    async def read(self, timeout_ms: int = 100) -> None:
        """Count what has arrived."""
        for partition, records in (await self._consumer.getmany(timeout_ms=timeout_ms)).items():
            count = self.events if partition.topic == self.settings.topics.events else self.letters
            for record in records:
                key = (record.key or b"").decode("utf-8", "replace")
                count[key] += 1
                self.delays_s[key] = record.timestamp / 1000

    async def wait(self, posts: int, timeout_s: float, meanwhile: Callable[[], None] = lambda: None) -> bool:
        """Read until ``posts`` posts have an end; False if that did not come about in time."""
        deadline = time.monotonic() + timeout_s
        while self.seen < posts:
            if time.monotonic() > deadline:
                return False
            meanwhile()
            await self.read()
        return True

    def verdict(
        self, events: Sequence[str], letters: Sequence[str] = (), *, wrong: Iterable[str] = (), **figures: Any
    ) -> Verdict:
        """Compare with what was sent: keys that must be events, and keys that must be dead letters, once each."""
        ends = self.events + self.letters
        sent = [*events, *letters]
        lost = [key for key in sent if not ends[key]]
        twice = [key for key in sent if ends[key] > 1]
        astray = [key for key in events if self.letters[key]] + [key for key in letters if self.events[key]]
        problems = [
            f"{len(keys)} {what}, e.g. {keys[:3]}"
            for what, keys in (("lost", lost), ("published twice", twice), ("with the wrong end", astray))
            if keys
        ]
        counted = {"sent": len(sent), "events": sum(self.events.values()), "dead letters": sum(self.letters.values())}
        return Verdict({**counted, "lost": len(lost), "duplicates": len(twice), **figures}, (*problems, *wrong))
