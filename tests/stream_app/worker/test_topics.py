"""A topic that is deleted, made anew, widened or cut under a running replica is noticed, and nothing is lost by it."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewPartitions, NewTopic, RecordsToDelete
from aiokafka.structs import OffsetAndMetadata

from stream_app.kafka.clients import admin_client, consumer_options, producer_options
from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.feed.progress import encode_ahead
from stream_app.worker.service import Replica

pytestmark = pytest.mark.kafka


@pytest.fixture
def settings(settings):
    return settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"metadata_max_age_s": 0.4})})


def a_post(number):
    fields = {"network": "other", "id": str(number), "root_id": str(number), "created_at": "2026-03-01T00:00:00Z"}
    return json.dumps({**fields, "text": f"the bridge collapsed {number}"}).encode()


async def send(settings, numbers, partition=None):
    async with AIOKafkaProducer(**producer_options(settings.kafka)) as producer:
        for number in numbers:
            await producer.send_and_wait(settings.topics.posts, a_post(number), partition=partition)


@asynccontextmanager
async def running(settings):
    replica = Replica(settings)
    await replica.start()
    try:
        yield replica
    finally:
        await replica.stop()


async def eventually(true, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.05)


async def ids(collect, settings, count):
    found = await collect(settings.topics.events, count, 60)
    return sorted(int(json.loads(each.value)["post"]["id"]) for each in found)


async def test_new_partitions_are_read(settings, collect):
    async with running(settings) as replica:
        await send(settings, range(3))
        assert await ids(collect, settings, 3) == [0, 1, 2]
        async with admin_client(settings.kafka) as admin:
            await admin.create_partitions({settings.topics.posts: NewPartitions(4)})
        await send(settings, [3], partition=3)
        assert await ids(collect, settings, 4) == [0, 1, 2, 3]
        assert {each.partition for each in replica.feed.partitions} == {0, 1, 2, 3}


async def test_a_topic_that_is_deleted_is_said_and_read_again_once_it_is_there(settings, collect):
    async with running(settings) as replica:
        await send(settings, range(3))
        assert await ids(collect, settings, 3) == [0, 1, 2]
        await eventually(lambda: replica.unready() is None)
        async with admin_client(settings.kafka) as admin:
            await admin.delete_topics([settings.topics.posts, settings.topics.dead_letters])
        await eventually(lambda: replica.topics.missing)
        await eventually(lambda: settings.topics.posts in (replica.unready() or ""))
        await eventually(lambda: settings.topics.dead_letters in (replica.unready() or ""))
        await ensure_topics(settings)
        await send(settings, range(10, 12))
        assert await ids(collect, settings, 5) == [0, 1, 2, 10, 11]
        await eventually(lambda: replica.unready() is None)


async def test_a_topic_that_was_made_anew_between_two_looks_is_read_from_its_beginning(settings, collect, caplog):
    settings = settings.model_copy(update={"kafka": settings.kafka.model_copy(update={"metadata_max_age_s": 2.0})})
    async with running(settings) as replica:
        await send(settings, range(3), partition=0)
        assert await ids(collect, settings, 3) == [0, 1, 2]
        first = (await replica.feed.shapes([settings.topics.posts]))[settings.topics.posts]
        replica.feed._consumer.pause(*replica.feed.partitions)  # reading, it would be told of the deletion
        async with admin_client(settings.kafka) as admin:
            await admin.delete_topics([settings.topics.posts])
            answer = await admin.create_topics([NewTopic(settings.topics.posts, 2, 1)])
            while answer.topic_errors[0][1]:  # Kafka is still at the deletion
                answer = await admin.create_topics([NewTopic(settings.topics.posts, 2, 1)])
        await send(
            settings, range(10, 16), partition=0
        )  # more than before: its place in the old topic is one in the new
        assert await ids(collect, settings, 9) == [0, 1, 2, *range(10, 16)]
        assert (await replica.feed.shapes([settings.topics.posts]))[settings.topics.posts].made != first.made


def expire(settings, before):
    """Do what retention does."""
    feed = TopicPartition(settings.topics.posts, 1)

    async def go():
        async with admin_client(settings.kafka) as admin:
            await admin.delete_records({feed: RecordsToDelete(before)})

    return go()


async def test_posts_that_kafka_deleted_before_they_were_read_are_counted_and_told(settings, collect, caplog):
    feed = TopicPartition(settings.topics.posts, 1)
    async with running(settings) as replica:
        await send(settings, range(3), partition=1)
        assert await ids(collect, settings, 3) == [0, 1, 2]
        replica.feed._consumer.pause(feed)
        await send(settings, range(3, 10), partition=1)
        await expire(settings, 8)
        replica.feed._consumer.resume(feed)
        assert await ids(collect, settings, 5) == [0, 1, 2, 8, 9]
        assert b"crisis_stream_posts_expired_total 5.0" in replica.metrics_text()
    await send(settings, range(10, 13), partition=1)
    await expire(settings, 12)
    async with running(settings) as replica:  # as little is it read by a worker that was away
        assert await ids(collect, settings, 6) == [0, 1, 2, 8, 9, 12]
        assert b"crisis_stream_posts_expired_total 2.0" in replica.metrics_text()
    said = [record.getMessage() for record in caplog.records if "are lost" in record.getMessage()]
    assert all(
        f"{count} records of {settings.topics.posts}[1]" in each for count, each in zip((5, 2), said, strict=True)
    )


async def test_a_partition_that_ends_before_the_place_of_its_group_is_read_from_the_beginning(
    settings, collect, caplog
):
    feed = TopicPartition(settings.topics.posts, 0)
    options = {"group_id": settings.worker.group_id, "enable_auto_commit": False}
    async with AIOKafkaConsumer(**consumer_options(settings.kafka), **options) as group:
        group.assign([feed])
        # Offsets above it are said to be done: of another topic, as it turns out.
        await group.commit({feed: OffsetAndMetadata(50, encode_ahead(50, {51, 52}))})
    await send(settings, range(3), partition=0)
    async with running(settings) as replica:
        assert await ids(collect, settings, 3) == [0, 1, 2]
        replica.feed._consumer.seek(feed, 60)
        await eventually(lambda: "ends at 3, before 60" in caplog.text)
        await send(settings, range(3, 5), partition=0)
        assert await ids(collect, settings, 5) == [0, 1, 2, 3, 4]
        assert b"crisis_stream_posts_expired_total 0.0" in replica.metrics_text()
    assert f"{settings.topics.posts}[0] ends at 3, before 50, where it was read to" in caplog.text
