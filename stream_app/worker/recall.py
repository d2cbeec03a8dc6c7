"""What workers before this one published of Mastodon: read back once, when a deletion names a post that nobody knows.

Mastodon's stream deletes by an id that only its own server knows, and which post that was is in the events. Other
networks' deletions name the post itself.
"""

from __future__ import annotations

import asyncio
import logging

import orjson
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError

from model.scorer import CONCEPTS
from stream_app.kafka.clients import consumer_options
from stream_app.kafka.subscribe import ends_of, reached
from stream_app.pipeline.events.withdraw import Published, Sent
from stream_app.pipeline.posts.post import Withdrawal
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_NEEDLE = b'"local_id":"'
_AGAIN_S = 1.0


class Recall:
    """Reads the last ``labelling.duplicates`` events into what is known as published, at most once between resets."""

    def __init__(self, settings: Settings, published: Published) -> None:
        self._settings, self._published = settings, published
        self._reading: asyncio.Task[None] | None = None

    def wanted(self, withdrawal: Withdrawal) -> bool:
        """Whether the events may tell which post this withdraws."""
        name = withdrawal.id
        if withdrawal.network != "mastodon" or name is None or "://" in name:
            return False
        return not self._published.knows("mastodon", name) and not (self._reading and self._reading.done())

    def reset(self) -> None:
        """Partitions change hands: what comes with new ones may have been published by others."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = None

    async def read(self) -> None:
        """Wait until the events were read, for as long as Kafka is away; without the right to read them, not at all."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._insist())
        await asyncio.shield(self._reading)

    async def _insist(self) -> None:
        while True:
            try:
                await self._read()
            except TopicAuthorizationFailedError:
                logger.warning(
                    "not allowed to read %s: what a worker before this one published stays when Mastodon deletes it. "
                    "An ACL must allow it, docs/operate.md says which",
                    self._settings.topics.events,
                )
            except (KafkaError, OSError) as error:
                logger.warning("the events cannot be read back (%s); trying again", error)
                await asyncio.sleep(_AGAIN_S)
                continue
            return

    async def _read(self) -> None:
        topics = self._settings.topics
        everywhere = (topics.events, *map(topics.alerts, CONCEPTS))
        options = consumer_options(self._settings.kafka)
        async with AIOKafkaConsumer(topics.events, **options, isolation_level="read_committed") as consumer:
            partitions = [TopicPartition(topics.events, n) for n in consumer.partitions_for_topic(topics.events) or ()]
            first, ends = await consumer.beginning_offsets(partitions), await ends_of(self._settings.kafka, partitions)
            share = self._settings.labelling.duplicates // max(len(partitions), 1)
            for each in partitions:
                consumer.seek(each, max(first[each], ends[each] - share))
            while not await reached(consumer, ends):
                for records in (await consumer.getmany(timeout_ms=200, max_records=200)).values():
                    for sent in map(_sent, records):
                        if sent is not None:
                            self._published.recall(sent._replace(topics=everywhere))


def _sent(record: ConsumerRecord) -> Sent | None:
    """What is to be known of an event; None where no deletion can name its post by another id."""
    if record.value is None or _NEEDLE not in record.value:
        return None
    try:
        event = orjson.loads(record.value)
        post = event["post"]
        if post["local_id"] is None:
            return None
        return Sent(
            post["network"], post["id"], post["root_id"], post["author_key"], (event["id"],), (), 0.0, post["local_id"]
        )
    except (ValueError, KeyError, TypeError):
        return None
