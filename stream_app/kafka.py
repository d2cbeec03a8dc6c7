"""How every Kafka client of this program connects, and the topics the product needs."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from model.scorer import CONCEPTS
from stream_app.settings import KafkaSettings, Settings

_LEADERS_MS = 10_000


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Keyword arguments for any aiokafka client: addresses, TLS and SASL.

    The password is unwrapped only here; don't log the result.

    Raises:
        OSError: a certificate or key file cannot be read.
    """
    options: dict[str, Any] = {
        "bootstrap_servers": kafka.bootstrap_servers,
        "security_protocol": kafka.security_protocol,
    }
    if kafka.security_protocol.endswith("SSL"):
        options["ssl_context"] = create_ssl_context(
            cafile=kafka.ssl_cafile,
            certfile=kafka.ssl_certfile,
            keyfile=kafka.ssl_keyfile,
            password=kafka.ssl_key_password.get_secret_value() if kafka.ssl_key_password else None,
        )
    if kafka.security_protocol.startswith("SASL"):
        options["sasl_mechanism"] = kafka.sasl_mechanism
        options["sasl_plain_username"] = kafka.sasl_username
        options["sasl_plain_password"] = kafka.sasl_password.get_secret_value() if kafka.sasl_password else None
    return options


async def ensure_topics(settings: Settings) -> None:
    """Create the product's topics where they are missing, and wait until they can be read; the others stay as they are.

    Raises:
        aiokafka.errors.KafkaError: Kafka cannot be reached, or refuses a topic (its message names it).
    """
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        answer = await admin.create_topics(_product_topics(settings))
    finally:
        await admin.close()
    for name, code, *message in answer.topic_errors:
        if code not in {0, TopicAlreadyExistsError.errno}:
            raise for_code(code)(f"topic {name!r} was not created: {message[0] if message else ''}")
    await _led(settings, {name for name, code, *_ in answer.topic_errors if code == 0})


async def _led(settings: Settings, topics: Collection[str]) -> None:
    """Wait until each partition of new ``topics`` has a leader that answers.

    Kafka names a leader a moment before that leader knows it, and who reads then logs a NotLeaderForPartitionError.
    Asking for offsets retries silently; where even that is refused, readers and writers retry by themselves.
    """
    partitions = [TopicPartition(name, n) for name in sorted(topics) for n in range(settings.kafka.partitions)]
    if not partitions:
        return
    consumer = AIOKafkaConsumer(**client_options(settings.kafka), request_timeout_ms=_LEADERS_MS)
    await consumer.start()
    try:
        with suppress(KafkaError):
            await consumer.end_offsets(partitions)
    finally:
        await consumer.stop()


def _product_topics(settings: Settings) -> list[NewTopic]:
    topics = settings.topics
    plain = [topics.posts, topics.events, *map(topics.alerts, CONCEPTS), topics.dead_letters, topics.feedback]
    partitions, replicas = settings.kafka.partitions, settings.kafka.replication_factor
    compacted = NewTopic(topics.incidents, partitions, replicas, topic_configs={"cleanup.policy": "compact"})
    return [*(NewTopic(name, partitions, replicas) for name in plain), compacted]
