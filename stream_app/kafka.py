"""How every Kafka client of this program connects, and the topics the product needs."""

from __future__ import annotations

from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code
from aiokafka.helpers import create_ssl_context

from model.scorer import CONCEPTS
from stream_app.settings import KafkaSettings, Settings


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
    """Create the product's topics where they are missing; those that exist stay as they are.

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


def _product_topics(settings: Settings) -> list[NewTopic]:
    topics = settings.topics
    plain = [topics.posts, topics.events, *map(topics.alerts, CONCEPTS), topics.dead_letters, topics.feedback]
    partitions, replicas = settings.kafka.partitions, settings.kafka.replication_factor
    compacted = NewTopic(topics.incidents, partitions, replicas, topic_configs={"cleanup.policy": "compact"})
    return [*(NewTopic(name, partitions, replicas) for name in plain), compacted]
