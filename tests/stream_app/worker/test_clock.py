"""A machine whose clock is two hours ahead: its events go out with Kafka's time, or it says what is wrong."""

import asyncio
import time

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.producer.message_accumulator import BatchBuilder

from stream_app.kafka.clients import admin_client
from stream_app.proving.chaos.feeder import feed, numbered
from stream_app.worker.service import Replica

pytestmark = pytest.mark.kafka
AHEAD_MS = 2 * 3600 * 1000


@pytest.fixture
def ahead(monkeypatch):
    """The time that aiokafka writes into records whose sender gave none, as on a machine that is ahead."""
    append = BatchBuilder.append

    def later(self, *, timestamp, **record):
        return append(self, timestamp=int(time.time() * 1000) + AHEAD_MS if timestamp is None else timestamp, **record)

    return lambda: monkeypatch.setattr(BatchBuilder, "append", later)


async def test_the_events_of_a_clock_that_is_ahead_have_kafkas_time(settings, ahead, collect):
    await feed(settings, numbered(range(3)))
    ahead()
    replica = Replica(settings)
    await replica.start()
    try:
        events = await collect(settings.topics.events, 3, 60)
        assert replica.ill() is None
    finally:
        await replica.stop()
    assert all(each.timestamp < time.time() * 1000 + AHEAD_MS / 2 for each in events)


async def test_where_kafka_does_not_stamp_it_says_what_to_do(settings, ahead):
    kept = {"message.timestamp.type": "CreateTime", "message.timestamp.after.max.ms": "3600000"}
    async with admin_client(settings.kafka) as admin:
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, settings.topics.events, kept)])
    await feed(settings, numbered(range(3)))
    ahead()
    replica = Replica(settings)
    await replica.start()
    try:
        async with asyncio.timeout(60):
            while not replica.crashed:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.05)
        assert "set the clock, or let Kafka stamp what is published" in replica.ill()
    finally:
        await replica.stop()
