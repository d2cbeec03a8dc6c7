"""Sends analysts' verdicts to the feedback topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from stream_app.feedback.store import send_verdict
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.clients import late_producer
from stream_app.settings import Settings


@asynccontextmanager
async def recorder(settings: Settings) -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[None]]]:
    """Yields a function that checks one verdict and returns once Kafka has it on every replica.

    The producer connects at the first verdict, so that the dashboard starts while Kafka is away. The function raises
    ``pydantic.ValidationError`` on a malformed verdict and ``aiokafka.errors.KafkaError`` when Kafka does not take it.
    """
    async with late_producer(settings.kafka) as connected:

        async def record(body: dict[str, Any]) -> None:
            verdict = Verdict.model_validate({**body, "at": datetime.now(UTC)})
            await send_verdict(await connected(), settings.topics.feedback, verdict)

        yield record
