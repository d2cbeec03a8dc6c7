"""Writes acts to the topic of decisions and reads them back in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from stream_app.decisions.act import DECISION_TYPE, Decision
from stream_app.kafka.clients import late_producer
from stream_app.kafka.cloud_event import cloud_event
from stream_app.kafka.subscribe import EPOCH, Received, read_as, subscribe
from stream_app.settings import Settings


@asynccontextmanager
async def decider(settings: Settings) -> AsyncIterator[Callable[[Decision], Awaitable[Decision]]]:
    """Yields a function that stores one act, and returns it as stored once Kafka has it on every replica.

    The producer connects at the first act, so that the dashboard starts while Kafka is away. The function raises
    ``aiokafka.errors.KafkaError`` when Kafka does not take it.
    """
    async with late_producer(settings.kafka) as connected:

        async def decide(decision: Decision) -> Decision:
            dated = decision.model_copy(update={"at": datetime.now(UTC)})
            producer = await connected()
            await producer.send_and_wait(
                settings.topics.decisions,
                dated.model_dump_json().encode(),
                key=dated.incident.encode(),
                headers=headers(dated),
            )
            return dated

        yield decide


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
    decision = read_as(received, Decision, "act on an incident")
    return decision and decision.model_copy(update={"at": received.timestamp})


def headers(decision: Decision) -> list[tuple[str, bytes]]:
    """The attributes of an act's CloudEvent, as Kafka headers."""
    return cloud_event(
        name=decision.id,
        source="decisions",
        kind=DECISION_TYPE,
        subject=decision.incident,
        time=decision.at or datetime.now(UTC),
    )
