"""What the programs feed: posts whose labels are known beforehand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from stream_app.kafka.clients import producer_options
from stream_app.settings import Settings

TEXTS = ("the bridge collapsed", "two people are missing", "volunteers bring relief", "the day was quiet")
"""One for each humanitarian label that the fixed scorer gives, so that labels which change places are seen."""


def a_post(number: int, text: str | None = None, **more: object) -> bytes:
    """A post in the product's own format whose id and text have ``number``; one of :data:`TEXTS` by default."""
    fields = {"network": "other", "id": str(number), "root_id": str(number), "created_at": "2026-03-01T00:00:00Z"}
    return json.dumps({**fields, "text": f"{text or TEXTS[number % len(TEXTS)]} {number}", **more}).encode()


def numbered(numbers: Iterable[int]) -> list[tuple[str, bytes]]:
    """Posts of these numbers, each with its key."""
    return [(str(number), a_post(number)) for number in numbers]


_TICK_S = 0.02


async def feed(settings: Settings, posts: Iterable[tuple[str, bytes]]) -> None:
    """Put (key, value) pairs on the feed topic and wait until Kafka has them."""
    async with producer_of(settings) as producer:
        sent = [await producer.send(settings.topics.posts, value, key=key.encode()) for key, value in posts]
        await asyncio.gather(*sent)


@asynccontextmanager
async def producer_of(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaProducer]:
    """A producer as :func:`feed` has it."""
    options = {"linger_ms": 5, "enable_idempotence": True, **options}
    async with AIOKafkaProducer(**producer_options(settings.kafka), **options) as producer:
        yield producer


async def paced(settings: Settings, posts: Iterable[tuple[str, bytes]], rate: float) -> dict[str, float]:
    """As :func:`feed`, ``rate`` posts a second; the moment (``time.time``) at which each key was sent."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    async with producer_of(settings) as producer:
        for number, (key, value) in enumerate(posts):
            if (ahead := began + number / rate - time.monotonic()) > 0:
                await asyncio.sleep(max(ahead, _TICK_S))
            await producer.send(settings.topics.posts, value, key=key.encode())
            sent[key] = time.time()
    return sent
