"""The topics the product needs: made where they are missing, waited for until they can be read."""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, TopicAuthorizationFailedError, for_code

from model.scorer import CONCEPTS
from stream_app.kafka.clients import admin_client, codec, consumer_options
from stream_app.settings import KafkaSettings, Settings

logger = logging.getLogger(__name__)

_LEADERS_MS = 10_000


async def ensure_topics(settings: Settings) -> None:
    """Create the product's topics where they are missing, and wait until they can be read; the others stay as they are.

    A topic that this user may not create is told of in the log: it may be there, hidden from a user who needs it not.

    Raises:
        aiokafka.errors.KafkaError: Kafka cannot be reached, or refuses a topic (its message names it).
    """
    async with admin_client(settings.kafka) as admin:
        there = set(await admin.list_topics())
        missing = [topic for topic in _product_topics(settings) if topic.name not in there]
        errors = (await admin.create_topics(missing)).topic_errors if missing else []
    hidden = [name for name, code, *_ in errors if code == TopicAuthorizationFailedError.errno]
    if hidden:
        logger.warning("not allowed to create %s: where they are missing, somebody else must", ", ".join(hidden))
    for name, code, *message in errors:
        if code not in {0, TopicAlreadyExistsError.errno, TopicAuthorizationFailedError.errno}:
            raise for_code(code)(f"topic {name!r} was not created: {message[0] if message else ''}")
    made = {name for name, code, *_ in errors if code == 0}
    await _led(settings, [topic for topic in missing if topic.name in made])


async def _led(settings: Settings, topics: Collection[NewTopic]) -> None:
    """Wait until each partition of new ``topics`` has a leader that answers.

    Kafka names a leader a moment before that leader knows it, and who reads then logs a NotLeaderForPartitionError.
    Asking for offsets retries silently; where even that is refused, readers and writers retry by themselves.
    """
    partitions = [TopicPartition(topic.name, n) for topic in topics for n in range(topic.num_partitions)]
    if not partitions:
        return
    consumer = AIOKafkaConsumer(**consumer_options(settings.kafka), request_timeout_ms=_LEADERS_MS)
    await consumer.start()
    try:
        with suppress(KafkaError):
            await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()


def written_by_us(kafka: KafkaSettings) -> dict[str, str]:
    """Settings of topics that this program makes for what it writes itself.

    Kafka stamps the records: it refuses those from a clock that is an hour ahead, and a worker could only end.
    """
    return {**_packed(kafka), "message.timestamp.type": "LogAppendTime"}


def _packed(kafka: KafkaSettings) -> dict[str, str]:
    """Whoever feeds posts may send them as they are, and the broker packs them: less to keep, to copy and to read."""
    return {"compression.type": codec(kafka) or "producer"}


def _product_topics(settings: Settings) -> list[NewTopic]:
    topics = settings.topics
    outputs = [topics.events, *map(topics.alerts, CONCEPTS), topics.dead_letters, topics.feedback]
    partitions, replicas = settings.kafka.partitions, settings.kafka.replication_factor
    stamped = written_by_us(settings.kafka)
    return [
        NewTopic(topics.posts, partitions, replicas, topic_configs=_packed(settings.kafka)),
        *(NewTopic(name, partitions, replicas, topic_configs=stamped) for name in outputs),
        *(
            NewTopic(name, partitions, replicas, topic_configs={**stamped, "cleanup.policy": "compact"})
            for name in (topics.incidents, topics.emerging)
        ),
        NewTopic(topics.decisions, 1, replicas, topic_configs={**stamped, "retention.ms": "-1"}),
        NewTopic(topics.notices, 1, replicas, topic_configs={**stamped, "cleanup.policy": "compact"}),
    ]
