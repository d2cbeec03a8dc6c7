"""Sends analysts' verdicts to the feedback topic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

from aiokafka import AIOKafkaProducer

from stream_app.feedback.store import headers
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.clients import explained, producer_options
from stream_app.settings import Settings


@asynccontextmanager
async def recorder(settings: Settings) -> AsyncIterator[Callable[[dict[str, Any]], Awaitable[None]]]:
    """Yields a function that checks one verdict and returns once Kafka has it on every replica.

    The producer connects at the first verdict, so that the dashboard starts while Kafka is away. The function raises
    ``pydantic.ValidationError`` on a malformed verdict and ``aiokafka.errors.KafkaError`` when Kafka does not take it.
    """
    producer: AIOKafkaProducer | None = None

    async def record(body: dict[str, Any]) -> None:
        nonlocal producer
        verdict = Verdict.model_validate({**body, "at": datetime.now(UTC)})
        if producer is None:
            fresh = AIOKafkaProducer(**producer_options(settings.kafka), acks="all", enable_idempotence=True)
            try:
                async with explained(settings.kafka):
                    await fresh.start()
            except BaseException:
                await fresh.stop()
                raise
            producer = fresh
        await producer.send_and_wait(
            settings.topics.feedback,
            verdict.model_dump_json().encode(),
            key=verdict.event.encode(),
            headers=headers(verdict),
        )

    try:
        yield record
    finally:
        if producer is not None:
            await producer.stop()
