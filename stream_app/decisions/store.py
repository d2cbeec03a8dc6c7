"""Writes acts to the topic of decisions and reads them back in their order."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from stream_app.decisions.act import DECISION_TYPE, Decision
from stream_app.kafka.clients import explained, producer_options, start
from stream_app.kafka.subscribe import EPOCH, Received, subscribe
from stream_app.settings import Settings

logger = logging.getLogger(__name__)


@asynccontextmanager
async def decider(settings: Settings) -> AsyncIterator[Callable[[Decision], Awaitable[Decision]]]:
    """Yields a function that stores one act, and returns it as stored once Kafka has it on every replica.

    The producer connects at the first act, so that the dashboard starts while Kafka is away. The function raises
    ``aiokafka.errors.KafkaError`` when Kafka does not take it.
    """
    producer: AIOKafkaProducer | None = None

    async def decide(decision: Decision) -> Decision:
        nonlocal producer
        dated = decision.model_copy(update={"at": datetime.now(UTC)})
        if producer is None:
            fresh = AIOKafkaProducer(**producer_options(settings.kafka), acks="all", enable_idempotence=True)
            async with explained(settings.kafka):
                await start(fresh)
            producer = fresh
        await producer.send_and_wait(
            settings.topics.decisions,
            dated.model_dump_json().encode(),
            key=dated.incident.encode(),
            headers=headers(dated),
        )
        return dated

    try:
        yield decide
    finally:
        if producer is not None:
            await producer.stop()


async def read_decisions(settings: Settings) -> list[Decision]:
    """All acts there are, in the order of the topic."""
    found = []
    async for received in subscribe(settings, [settings.topics.decisions], since=EPOCH, until_end=True):
        decision = decision_in(received)
        if decision is not None:
            found.append(decision)
    return found


def decision_in(received: Received) -> Decision | None:
    """The act in a record, with Kafka's time of it for its own: no clock may put itself last. None if it is none."""
    try:
        decision = Decision.model_validate_json(received.value)
    except ValidationError as error:
        where = f"{received.topic}[{received.partition}]@{received.offset}"
        logger.warning("skipped %s, which is no act on an incident: %s", where, error.errors()[0]["msg"])
        return None
    return decision.model_copy(update={"at": received.timestamp})


def headers(decision: Decision) -> list[tuple[str, bytes]]:
    """The attributes of an act's CloudEvent, as Kafka headers."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": decision.id,
        "ce_source": "/crisis-stream/decisions",
        "ce_type": DECISION_TYPE,
        "ce_subject": decision.incident,
        "ce_time": (decision.at or datetime.now(UTC)).isoformat(),
        "content-type": "application/json",
    }
    return [(name, value.encode(errors="replace")) for name, value in attributes.items()]
