"""Reads Kafka into the dashboard's state, and goes on trying while Kafka is away."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from aiokafka.errors import KafkaError
from pydantic import ValidationError

from stream_app.dashboard.state import DashboardState
from stream_app.events.event import Event
from stream_app.events.subscribe import EPOCH, Received, subscribe
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_RETRY_S = 2.0
_YIELD_EVERY = 200
"""Records taken in at a stretch before the pages get their turn."""


async def follow_posts(settings: Settings, state: DashboardState) -> None:
    """Read events and dead letters of the recent past, then live, for ever."""
    topics = settings.topics
    since = datetime.now(UTC) - timedelta(minutes=settings.dashboard.history_minutes)

    def take(received: Received) -> None:
        if received.topic == topics.events:
            state.add_event(Event.model_validate_json(received.value), received.timestamp)
        else:
            state.add_dead_letter(received.headers, received.timestamp)

    await _follow(settings, state, [topics.events, topics.dead_letters], since, take)


async def follow_incidents(settings: Settings, state: DashboardState) -> None:
    """Read the compacted incidents from their beginning, then live, for ever."""

    def take(received: Received) -> None:
        if received.key is None:
            return
        if received.value:
            state.put_incident(received.key, json.loads(received.value))
        else:
            state.drop_incident(received.key)

    await _follow(settings, state, [settings.topics.incidents], EPOCH, take)


async def _follow(
    settings: Settings,
    state: DashboardState,
    topics: Sequence[str],
    since: datetime,
    take: Callable[[Received], None],
) -> None:
    while True:
        try:
            count = 0
            async for received in subscribe(settings, topics, since=since):
                state.problem = None
                since = max(since, received.timestamp + timedelta(milliseconds=1))
                try:
                    take(received)
                except (ValidationError, ValueError) as error:
                    logger.warning(
                        "cannot show %s[%d]@%d: %s", received.topic, received.partition, received.offset, error
                    )
                count += 1
                if count % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)
        except KafkaError as error:
            state.problem = f"Kafka at {settings.kafka.bootstrap_servers} cannot be read ({error}); trying again."
            logger.warning(state.problem)
        await asyncio.sleep(_RETRY_S)
