"""Notices that a topic the worker reads or writes was deleted, made anew or widened."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from aiokafka.errors import KafkaError
from mode import Service

from model.scorer import CONCEPTS
from stream_app.kafka.shape import Shape
from stream_app.pipeline.feed.reader import Feed
from stream_app.settings import Settings


class TopicWatch(Service):
    """Asks Kafka now and then what its topics are like; ``missing`` are those that are not there.

    aiokafka reads and writes new partitions without any help of ours, and waits for a topic that is gone. Of one that
    was deleted and made anew in between only its id tells: then the feed is read from where Kafka has the group, which
    forgot its place with the topic.
    """

    def __init__(self, settings: Settings, feed: Feed, **options: object) -> None:
        super().__init__(**options)
        topics = settings.topics
        self.missing: tuple[str, ...] = ()
        self._feed, self._read = feed, topics.posts
        self._names = (topics.posts, topics.events, *map(topics.alerts, CONCEPTS), topics.dead_letters)
        self._known: dict[str, Shape] = {}
        self._every_s = settings.kafka.metadata_max_age_s / 2

    @Service.task  # type: ignore[untyped-decorator]
    async def _look(self) -> None:
        while not self.should_stop:
            with suppress(KafkaError):  # while it is away there is no news
                try:
                    self._compare(await self._feed.shapes(self._names))
                except NotImplementedError:
                    self.log.info("Kafka is older than 2.8: a topic that is made anew will not be noticed")
                    return
            await self.sleep(self._every_s)

    def _compare(self, found: Mapping[str, Shape | None]) -> None:
        missing = tuple(name for name, shape in found.items() if shape is None)
        for name in set(missing) - set(self.missing):
            self.log.error("topic %s is not there: make it, or start a worker, which does", name)
        for name in set(self.missing) - set(missing):
            self.log.info("topic %s is there again", name)
        self.missing = missing
        for name, shape in found.items():
            if shape is None:
                continue
            before = self._known.get(name, shape)
            self._known[name] = shape
            if before.made != shape.made:
                self.log.warning("topic %s was deleted and made anew", name)
                if name == self._read:
                    self._feed.start_again()
            elif before.partitions != shape.partitions:
                self.log.info("topic %s has %d partitions now, %d before", name, shape.partitions, before.partitions)
