"""Writes verdicts to the feedback topic and reads them back with the events they judge."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from pydantic import ValidationError

from stream_app.feedback.verdict import VERDICT_TYPE, Verdict
from stream_app.kafka.clients import explained, producer_options
from stream_app.kafka.cloud_event import cloud_event
from stream_app.kafka.subscribe import EPOCH, read_as, subscribe
from stream_app.pipeline.events.event import Event
from stream_app.settings import Settings


async def add_verdict(settings: Settings, verdict: Verdict) -> Verdict:
    """Send a verdict and return it with its time, once Kafka has it on all in-sync replicas."""
    dated = verdict.model_copy(update={"at": verdict.at or datetime.now(UTC)})
    producer = AIOKafkaProducer(**producer_options(settings.kafka), acks="all", enable_idempotence=True)
    async with explained(settings.kafka), producer:
        await send_verdict(producer, settings.topics.feedback, dated)
    return dated


async def send_verdict(producer: AIOKafkaProducer, topic: str, verdict: Verdict) -> None:
    """Send a verdict as a CloudEvent under its event's id, and wait until Kafka has it.

    Raises:
        KafkaError: Kafka does not take it.
    """
    await producer.send_and_wait(
        topic, verdict.model_dump_json().encode(), key=verdict.event.encode(), headers=_headers(verdict)
    )


async def read_verdicts(settings: Settings) -> list[Verdict]:
    """The verdicts in the topic; of one analyst on one event only the latest. Unreadable ones are logged."""
    latest: dict[tuple[str, str | None], Verdict] = {}
    async for received in subscribe(settings, [settings.topics.feedback], since=EPOCH, until_end=True):
        verdict = read_as(received, Verdict, "verdict")
        if verdict is None:
            continue
        verdict = verdict.model_copy(update={"at": verdict.at or received.timestamp})
        latest.pop((verdict.event, verdict.analyst), None)
        latest[verdict.event, verdict.analyst] = verdict
    return list(latest.values())


async def read_events(settings: Settings, wanted: Iterable[str]) -> dict[str, Event]:
    """The events of these ids that Kafka still has."""
    ids = set(wanted)
    found: dict[str, Event] = {}
    async for received in subscribe(settings, [settings.topics.events], since=EPOCH, until_end=True):
        # The id travels in a header: only events that were judged are parsed.
        name = received.headers.get("ce_id")
        if name is not None and name not in ids:
            continue
        try:
            event = Event.model_validate_json(received.value)
        except ValidationError:
            continue
        if event.withdrawn and not event.withdrawn.place_only:
            found.pop(event.id, None)
        elif event.id in ids and not event.withdrawn:
            found[event.id] = event
    return found


def _headers(verdict: Verdict) -> list[tuple[str, bytes]]:
    """The attributes of a verdict's CloudEvent, as Kafka headers."""
    return cloud_event(
        name=uuid4().hex,
        source="feedback",
        kind=VERDICT_TYPE,
        subject=verdict.event,
        time=verdict.at or datetime.now(UTC),
    )
