"""Reads Kafka into the dashboard's state, and goes on trying while Kafka is away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError

from stream_app.dashboard.state import DashboardState
from stream_app.decisions.store import decision_in
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import reason
from stream_app.kafka.subscribe import EPOCH, Received, read_as, subscribe
from stream_app.pipeline.events.dead_letter import PREFIX
from stream_app.pipeline.events.event import Event
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_S = 2.0
_HEALTHY_AFTER_S = 3.0
_LONGEST = 500
"""Characters that are shown of a reason; our own are shorter."""
_YIELD_EVERY = 200
"""Records taken in at a stretch before the pages get their turn."""


async def follow_posts(settings: Settings, state: DashboardState) -> None:
    """Read events, dead letters and verdicts of the recent past, then live, for ever."""
    topics = settings.topics
    since = datetime.now(UTC) - timedelta(minutes=settings.dashboard.history_minutes)

    def take(received: Received) -> None:
        if received.topic == topics.events:
            event = read_as(received, Event, "event")
            if event and event.withdrawn:
                state.withdraw(event)
            elif event:
                state.add_event(event, received.timestamp)
        elif received.topic == topics.feedback:
            if verdict := read_as(received, Verdict, "verdict"):
                state.add_verdict(verdict)
        else:
            state.add_dead_letter(*_why_dead(received.headers), received.timestamp)

    await _follow(settings, state, [topics.events, topics.dead_letters, topics.feedback], since, take)


async def follow_incidents(settings: Settings, state: DashboardState) -> None:
    """Read the compacted incidents from their beginning, then live, for ever."""

    def take(received: Received) -> None:
        if received.value:
            if incident := read_as(received, Incident, "incident"):
                state.put_incident(incident)
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
        emerging = read_as(received, Emerging, "emerging term") if received.value else None
        if received.key is not None and (emerging or not received.value):
            state.put_emerging(received.key, emerging)

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
    stage, error = headers.get(f"{PREFIX}stage", "unknown"), headers.get(f"{PREFIX}error", "no reason given")
    return stage[:_LONGEST], error[:_LONGEST]


def _take(received: Received, take: Callable[[Received], None]) -> None:
    try:
        take(received)
    except Exception:  # one odd record must not stop the others
        logger.exception("cannot show %s", received.place)
