"""How far the workers are behind the feed: per partition, what is there less what their group has committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConnectionError, KafkaError, NodeNotReadyError, RequestTimedOutError

from stream_app.dashboard.state import DashboardState
from stream_app.kafka.clients import client_options, consumer_options
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_EVERY_S = 3.0
_RETRY_S = 5.0
_FEW = 10
"""So little waiting may be no posts at all, but the markers that close transactions: they take offsets too."""
_LOOK_MS, _LOOKS = 200, 5
_PATIENCE_S = 10.0
_SILENCE = (TimeoutError, KafkaConnectionError, NodeNotReadyError, RequestTimedOutError)
"""Kafka is away; with other errors it did answer."""


async def read_lag(consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient, topic: str, group: str) -> dict[str, Any]:
    """Posts waiting per partition of ``topic`` for ``group``; a partition never committed waits from its beginning."""
    # All topics are described, since asking Kafka for one that is not there may make it.
    described = next((each for each in await admin.describe_topics() if each["topic"] == topic), None)
    if described is None:
        return {"group": group, "topic": topic, "partitions": []}
    partitions = sorted(TopicPartition(topic, each["partition"]) for each in described["partitions"])
    committed = await admin.list_consumer_group_offsets(group)
    first = await consumer.beginning_offsets(partitions)
    end = await consumer.end_offsets(partitions)
    done = {p: max(committed[p].offset if p in committed else 0, first[p]) for p in partitions}
    lag = {p: max(0, end[p] - done[p]) for p in partitions}
    for p in await _empty(consumer, {p: (done[p], end[p]) for p in partitions if 0 < lag[p] <= _FEW}):
        lag[p] = 0
    return {
        "group": group,
        "topic": topic,
        "partitions": [{"partition": p.partition, "lag": lag[p]} for p in partitions],
    }


async def _empty(
    consumer: AIOKafkaConsumer, ranges: Mapping[TopicPartition, tuple[int, int]]
) -> frozenset[TopicPartition]:
    """Partitions that hold no record from the first offset up to the second, only markers; found by reading them."""
    if not ranges:
        return frozenset()
    consumer.assign(list(ranges))
    for partition, (start, _) in ranges.items():
        consumer.seek(partition, start)
    left, empty = set(ranges), set()
    for _ in range(_LOOKS):
        left -= set(await consumer.getmany(*left, timeout_ms=_LOOK_MS))
        empty |= {p for p in left if await consumer.position(p) >= ranges[p][1]}
        left -= empty
        if not left:
            break
    consumer.unsubscribe()
    return frozenset(empty)


async def watch_lag(settings: Settings, state: DashboardState) -> None:
    """Keep ``state.lag`` up to date, for ever; None while Kafka is away.

    This is also how a Kafka that went away is noticed: a reader that once was connected just waits for it.
    """
    topic = settings.topics.posts
    while True:
        consumer = AIOKafkaConsumer(**consumer_options(settings.kafka), isolation_level="read_committed")
        admin = AIOKafkaAdminClient(**client_options(settings.kafka))
        try:
            await consumer.start()
            await admin.start()
            while True:
                async with asyncio.timeout(_PATIENCE_S):
                    state.lag = await read_lag(consumer, admin, topic, settings.worker.group_id)
                state.problems.pop(topic, None)
                await asyncio.sleep(_EVERY_S)
        except (KafkaError, TimeoutError) as error:
            logger.warning("consumer lag is unknown: %s", str(error) or "Kafka does not answer")
            state.lag = None
            if isinstance(error, _SILENCE):
                server = settings.kafka.bootstrap_servers
                state.problems[topic] = f"No answer from Kafka at {server}: what is shown may be old. Trying again."
        finally:
            await consumer.stop()
            await admin.close()
        await asyncio.sleep(_RETRY_S)
