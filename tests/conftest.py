"""What every test may ask for: a real Kafka, settings of its own on it, and a way to read a topic."""

from __future__ import annotations

import asyncio
import functools
import os
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from model.scorer import Scorer
from stream_app.kafka.broker import LocalBroker
from stream_app.kafka.clients import admin_client, client_options
from stream_app.kafka.inside_aiokafka import partitions_of
from stream_app.kafka.subscribe import ends_of, reached
from stream_app.kafka.topics import ensure_topics
from stream_app.settings import KafkaSettings, ModelSettings, Settings, TopicSettings, WorkerSettings

# Time is never asserted: a machine that is busy is no fault of the code.
hypothesis.settings.register_profile("untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("untimed")
os.environ.setdefault("CRISIS_STREAM_INCIDENTS__HTTP_PORT", "0")  # several at once, on a machine that others use too

Collect = Callable[..., Awaitable[list[ConsumerRecord]]]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes that are no short text get no id of their own: a compressed one holds the second it was made in.

    pytest-xdist refuses to run when its workers collect other ids; pytest numbers equal ones itself.
    """
    if isinstance(val, bytes):
        return val.decode() if len(val) < 60 and val.isascii() and val.decode().isprintable() else argname
    return None


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalBroker]:
    """The one Kafka of the test run; don't stop it, start your own for that."""
    with LocalBroker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def default_scorer() -> Callable[..., Scorer]:
    """The default model, loaded once for each number format; one thread."""
    from model.load import load_scorer  # torch takes seconds, and most tests need none

    return functools.cache(lambda number_format="auto": load_scorer("default", threads=1, number_format=number_format))


@pytest.fixture
def settings(broker: LocalBroker) -> Settings:
    """Settings on the broker with topics (2 partitions, made), group and replica of this test alone; fixed scorer."""
    name = f"t{uuid.uuid4().hex[:8]}"
    mine = Settings(
        kafka=KafkaSettings(bootstrap_servers=broker.bootstrap_servers, partitions=2),
        topics=TopicSettings(prefix=f"{name}."),
        worker=WorkerSettings(group_id=name, replica=name, http_port=0),
        model=ModelSettings(source="fixed"),
    )
    # A loop of its own that is never the current one: the test's loop stays what pytest-asyncio made it.
    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(ensure_topics(mine))
    return mine


@pytest.fixture
def collect(settings: Settings) -> Collect:
    """``await collect(topic)``: all its committed records so far; ``count=N`` waits for at least N (``timeout_s``).

    Transactions that are open at that moment are waited for; :func:`stream_app.kafka.subscribe.ends_of` says why.
    """

    async def read(topic: str, count: int = 0, timeout_s: float = 60.0) -> list[ConsumerRecord]:
        deadline = time.monotonic() + timeout_s
        options = client_options(settings.kafka)
        async with AIOKafkaConsumer(
            isolation_level="read_committed", enable_auto_commit=False, auto_offset_reset="earliest", **options
        ) as consumer:
            partitions = [TopicPartition(topic, each) for each in await partitions_of(consumer, topic)]
            consumer.assign(partitions)
            ends = await ends_of(settings.kafka, partitions)
            records: list[ConsumerRecord] = []
            while time.monotonic() < deadline:
                for batch in (await consumer.getmany(timeout_ms=100)).values():
                    records += batch
                if len(records) >= count and await reached(consumer, ends):
                    return records
            raise TimeoutError(f"{topic}: {len(records)} records after {timeout_s} s, {count} wanted")

    return read


@pytest.fixture
def in_a_transaction(settings: Settings) -> Callable[..., AbstractAsyncContextManager[None]]:
    """``async with in_a_transaction(topic, value)``: a record that is there, and committed at the end of it."""

    @asynccontextmanager
    async def sent(topic: str, value: bytes, **record: Any) -> AsyncIterator[None]:
        options = {**client_options(settings.kafka), "transactional_id": settings.topics.prefix}
        async with AIOKafkaProducer(**options) as producer, producer.transaction():
            await producer.send_and_wait(topic, value, **record)
            yield

    return sent


@pytest.fixture
def configured(settings: Settings) -> Callable[..., Awaitable[dict[str, str]]]:
    """``await configured(topics, name)``: what a setting of each topic is."""

    async def ask(topics: Sequence[str], name: str) -> dict[str, str]:
        async with admin_client(settings.kafka) as admin:
            answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, each) for each in topics])
        return {
            topic: next(entry[1] for entry in entries if entry[0] == name)
            for answer in answers
            for _code, _message, _kind, topic, entries in answer.resources
        }

    return ask


@pytest.fixture(scope="session")
def shared() -> Path:
    """The labelled posts and photos beside the repository; tests that need them skip where they are absent."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no labelled data at {folder}")
    return folder
