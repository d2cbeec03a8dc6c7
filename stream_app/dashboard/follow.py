"""Reads Kafka into the dashboard's state, and goes on trying while Kafka is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from pydantic import ValidationError

from stream_app.dashboard.state import DashboardState
from stream_app.decisions.store import decision_in
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import reason
from stream_app.kafka.subscribe import EPOCH, Received, subscribe
from stream_app.pipeline.events.dead_letter import PREFIX
from stream_app.pipeline.events.event import Event
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_S = 2.0
_HEALTHY_AFTER_S = 3.0
_YIELD_EVERY = 200
"""Records taken in at a stretch before the pages get their turn."""


async def follow_posts(settings: Settings, state: DashboardState) -> None:
    """Read events, dead letters and verdicts of the recent past, then live, for ever."""
    topics = settings.topics
    since = datetime.now(UTC) - timedelta(minutes=settings.dashboard.history_minutes)

    def take(received: Received) -> None:
        if received.topic == topics.events:
            event = Event.model_validate_json(received.value)
            if event.withdrawn:
                state.withdraw(event)
            else:
                state.add_event(event, received.timestamp)
        elif received.topic == topics.feedback:
            state.add_verdict(Verdict.model_validate_json(received.value))
        else:
            state.add_dead_letter(*_why_dead(received.headers), received.timestamp)

    await _follow(settings, state, [topics.events, topics.dead_letters, topics.feedback], since, take)


async def follow_incidents(settings: Settings, state: DashboardState) -> None:
    """Read the compacted incidents from their beginning, then live, for ever."""

    def take(received: Received) -> None:
        if received.value:
            state.put_incident(Incident.model_validate_json(received.value))
        elif received.key is not None:
            state.drop_incident(received.key)

    await _follow(settings, state, [settings.topics.incidents], EPOCH, take)


async def follow_decisions(settings: Settings, state: DashboardState) -> None:
    """Read what people did with incidents from the beginning, then live, for ever."""

    def take(received: Received) -> None:
        decision = decision_in(received)
        if decision is not None:
            state.add_decision(decision)

    await _follow(settings, state, [settings.topics.decisions], EPOCH, take)


async def follow_emerging(settings: Settings, state: DashboardState) -> None:
    """Read what is emerging, compacted, from its beginning, then live, for ever."""

    def take(received: Received) -> None:
        if received.key is not None:
            state.put_emerging(received.key, Emerging.model_validate_json(received.value) if received.value else None)

    await _follow(settings, state, [settings.topics.emerging], EPOCH, take)


async def _follow(
    settings: Settings,
    state: DashboardState,
    topics: Sequence[str],
    since: datetime,
    take: Callable[[Received], None],
) -> None:
    """Hand every record to ``take`` once. After a failure it reads again from ``since`` and passes over what it had."""
    loop = asyncio.get_running_loop()
    reached: dict[tuple[str, int], int] = {}
    while True:
        healthy = loop.call_later(_HEALTHY_AFTER_S, state.problems.pop, topics[0], None)
        try:
            async for received in subscribe(settings, topics, since=since):
                place = (received.topic, received.partition)
                if received.offset > reached.get(place, -1):
                    reached[place] = received.offset
                    _take(received, take)
                if received.offset % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        except KafkaError as error:
            problem = _told(error, settings.kafka.bootstrap_servers)
            if state.problems.get(topics[0]) != problem:
                logger.warning("%s", problem)
            state.problems[topics[0]] = problem
            if isinstance(error, UnknownTopicOrPartitionError):
                reached.clear()  # made anew, it counts from 0 again
        healthy.cancel()
        await asyncio.sleep(_RETRY_S)


def _told(error: KafkaError, servers: str) -> str:
    """What an analyst reads."""
    missing = isinstance(error, UnknownTopicOrPartitionError)
    return f"Kafka has {reason(error)}." if missing else f"Cannot read from Kafka at {servers}: {reason(error)}"


def _why_dead(headers: Mapping[str, str]) -> tuple[str, str]:
    """The step that failed and its reason; a dead letter of an unknown writer is counted all the same."""
    return headers.get(f"{PREFIX}stage", "unknown"), headers.get(f"{PREFIX}error", "no reason given")


def _take(received: Received, take: Callable[[Received], None]) -> None:
    try:
        take(received)
    except ValidationError as error:
        logger.warning("cannot show %s[%d]@%d: %s", received.topic, received.partition, received.offset, error)
