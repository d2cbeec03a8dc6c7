from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import NewPartitions, NewTopic
from aiokafka.errors import UnknownTopicOrPartitionError

from stream_app.kafka.clients import admin_client
from stream_app.kafka.subscribe import EPOCH, Received, subscribe
from stream_app.settings import Settings

pytestmark = pytest.mark.kafka
START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


@pytest.fixture
def topic(settings: Settings) -> str:
    return settings.topics.posts  # events have the time at which the broker got them


@asynccontextmanager
async def producer(settings: Settings, **options: object) -> AsyncIterator[AIOKafkaProducer]:
    made = AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers, **options)
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


async def send(
    made: AIOKafkaProducer, topic: str, values: Sequence[str], partition: int = 0, at: datetime = START
) -> None:
    for i, value in enumerate(values):
        moment = int((at + timedelta(seconds=i)).timestamp() * 1000)
        await made.send_and_wait(topic, value.encode(), partition=partition, timestamp_ms=moment)


async def read_all(settings: Settings, topic: str, since: datetime | None = EPOCH) -> list[Received]:
    async with asyncio.timeout(60):
        return [received async for received in subscribe(settings, [topic], since=since, until_end=True)]


def values(received: Sequence[Received]) -> list[str]:
    return [each.value.decode() for each in received]


async def test_a_record_arrives_whole(settings, topic):
    async with producer(settings) as made:
        await made.send_and_wait(
            topic, b"v", key=b"k", partition=1, timestamp_ms=1_700_000_000_123, headers=[("ce_id", b"7")]
        )
        await made.send_and_wait(topic, None, key=b"gone", partition=1)
    first, tombstone = await read_all(settings, topic)
    moment = datetime(2023, 11, 14, 22, 13, 20, 123000, UTC)
    assert first == Received(topic, 1, 0, moment, "k", {"ce_id": "7"}, b"v")
    assert (tombstone.key, tombstone.value) == ("gone", b"")


@pytest.mark.parametrize("since", [EPOCH, None, START])
async def test_who_waited_for_a_topic_hears_nothing_of_leaders_that_are_not_ready(settings, caplog, since):
    """Kafka tells of a new topic a moment before all leaders of its partitions know that they are."""

    async def read(topic):
        while True:
            with contextlib.suppress(UnknownTopicOrPartitionError):
                assert [received async for received in subscribe(settings, [topic], since=since, until_end=True)] == []
                return

    async with admin_client(settings.kafka) as admin:
        for number in range(4):
            topic = f"{settings.topics.prefix}late{number}"
            reading = asyncio.create_task(read(topic))
            await asyncio.sleep(0.1)
            await admin.create_topics([NewTopic(topic, 30, 1)])
            await reading
    assert "NotLeader" not in caplog.text


async def test_aborted_records_are_never_seen_and_the_end_is_still_reached(settings, topic):
    async with producer(settings, transactional_id=f"t-{topic}") as made:
        async with made.transaction():
            await send(made, topic, ["kept 1", "kept 2"])
        with contextlib.suppress(RuntimeError):
            async with made.transaction():
                await send(made, topic, ["aborted 1", "aborted 2"])
                raise RuntimeError
        async with made.transaction():
            await send(made, topic, ["kept 3"], partition=1)
    assert sorted(values(await read_all(settings, topic))) == ["kept 1", "kept 2", "kept 3"]


async def test_an_open_transaction_is_waited_for(settings, topic):
    async with producer(settings, transactional_id=f"t-{topic}") as made:
        await made.begin_transaction()
        await send(made, topic, ["open"])
        reading = asyncio.ensure_future(read_all(settings, topic))
        await asyncio.sleep(1.5)
        assert not reading.done()
        await made.commit_transaction()
        assert values(await reading) == ["open"]


async def test_an_empty_topic_ends_at_once(settings, topic):
    assert await read_all(settings, topic) == []


async def test_since_a_moment_and_since_after_everything(settings, topic):
    async with producer(settings) as made:
        await send(made, topic, ["0 s", "1 s", "2 s"])
    assert values(await read_all(settings, topic, START + timedelta(seconds=1))) == ["1 s", "2 s"]
    assert await read_all(settings, topic, START + timedelta(days=1)) == []


async def test_the_development_broker_keeps_what_is_older_than_a_week(topic, configured):
    """Or it is gone at Kafka's next look, every five minutes, as the posts of START were from other tests here."""
    assert await configured([topic], "retention.ms") == {topic: "-1"}


async def test_without_since_only_new_records_come_and_it_goes_on_until_closed(settings, topic):
    async with producer(settings) as made:
        await send(made, topic, ["old"])
        stream = subscribe(settings, [topic])
        waiting = asyncio.ensure_future(anext(stream))
        for _ in range(240):  # it reads from where the topic ended when it was ready
            await asyncio.sleep(0.25)
            if waiting.done():
                break
            await send(made, topic, ["new"])
        assert (await asyncio.wait_for(waiting, 1)).value == b"new"
        await stream.aclose()


async def test_a_missing_topic_is_named(settings):
    with pytest.raises(UnknownTopicOrPartitionError, match="no-such-topic"):
        await read_all(settings, "no-such-topic")


async def test_new_partitions_are_read_and_a_deleted_topic_ends_it(settings, topic, monkeypatch):
    monkeypatch.setattr("stream_app.kafka.subscribe._GONE_S", 0.1)
    kafka = settings.kafka.model_copy(update={"metadata_max_age_s": 0.3})
    stream = subscribe(settings.model_copy(update={"kafka": kafka}), [topic], since=EPOCH)
    async with asyncio.timeout(60), producer(settings, metadata_max_age_ms=300) as made, admin_client(kafka) as admin:
        await send(made, topic, ["before"], partition=1)
        assert (await anext(stream)).value == b"before"
        await admin.create_partitions({topic: NewPartitions(3)})
        while 2 not in await made.partitions_for(topic):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.05)
        await send(made, topic, ["added"], partition=2)
        await send(made, topic, ["after"], partition=1)
        assert sorted(values([await anext(stream), await anext(stream)])) == ["added", "after"]
        await admin.delete_topics([topic])
        with pytest.raises(UnknownTopicOrPartitionError, match=f"no topic {topic} any more"):
            await anext(stream)


async def test_a_group_goes_on_where_it_was(settings, topic):
    async def read() -> list[str]:
        got: list[str] = []
        async with (
            asyncio.timeout(60),
            contextlib.aclosing(subscribe(settings, [topic], since=EPOCH, group=topic)) as stream,
        ):
            async for received in stream:
                got.append(received.value.decode())
                if "last" in got[-1]:
                    return got
        return got

    async with producer(settings) as made:
        await send(made, topic, ["1", "2"])
        await made.flush()
        first = asyncio.ensure_future(read())
        await asyncio.sleep(4)
        await send(made, topic, ["last"])
        assert await first == ["1", "2", "last"]
        await send(made, topic, ["3", "last"])
        # "last" ended the first reader inside its batch, so that batch alone may come again.
        assert await read() in (["last"], ["3", "last"], ["last", "3", "last"])


async def test_a_group_has_no_end(settings, topic):
    with pytest.raises(ValueError, match="until_end"):
        await anext(subscribe(settings, [topic], group="g", until_end=True))
