"""Programs about Kafka itself: brokers that die, and a feed that grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions
from aiokafka.errors import KafkaError

from stream_app.kafka.broker import LocalCluster
from stream_app.kafka.clients import admin_client
from stream_app.proving.chaos.feeder import feed, numbered
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict, group_of
from stream_app.settings import Settings

_PATIENCE_S = 180.0
_TRANSACTIONS = 1
"""Kafka's number for the kind of coordinator; groups have 0."""

Find = Callable[[AIOKafkaAdminClient, Settings], Awaitable[int]]


async def _of_transactions(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    return int(await admin.find_coordinator(f"{settings.topics.prefix}{group_of(settings)}.r0", _TRANSACTIONS))


async def _of_the_group(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    return int(await admin.find_coordinator(group_of(settings)))


async def _of_the_feed(admin: AIOKafkaAdminClient, settings: Settings) -> int:
    (topic,) = await admin.describe_topics([settings.topics.posts])
    return int(topic["partitions"][0]["leader"])


ROLES: dict[str, Find] = {
    "transactions": _of_transactions,
    "group": _of_the_group,
    "feed": _of_the_feed,
}
"""Whom a round kills: the coordinator of the worker's transactions, that of its group, the leader of the feed."""


async def three_brokers(settings: Settings, logs: Path, *, kafka: LocalCluster, posts: int, rounds: int) -> Verdict:
    """Kill, in turn, the broker that coordinates the transactions, the group, and that leads the feed."""
    turns = [role for _ in range(rounds) for role in ROLES]
    each, slowest = posts // len(turns), dict.fromkeys(ROLES, 0.0)
    wrong: list[str] = []
    with Fleet(settings, 1, logs) as fleet:
        async with Truth(settings) as truth:
            for turn, role in enumerate(turns):
                await _in_sync(settings, len(kafka.brokers))
                before = truth.seen
                feeding = asyncio.create_task(feed(settings, numbered(range(turn * each, (turn + 1) * each))))
                await truth.wait(before + 1, START_S, fleet.revive)
                kafka.brokers[await _find(settings, ROLES[role])].kill()
                began = time.monotonic()
                await feeding
                if not await truth.wait((turn + 1) * each, _PATIENCE_S, fleet.revive):
                    wrong.append(f"not all posts came to an end within {_PATIENCE_S:g} s of the death of {role}")
                slowest[role] = max(slowest[role], time.monotonic() - began)
                await asyncio.to_thread(kafka.start)
            figures = {f"seconds_{role}": round(seconds, 1) for role, seconds in slowest.items()}
            figures = {"brokers_killed": len(turns), "worker_restarts": fleet.restarts, **figures}
            sent = [str(number) for number in range(each * len(turns))]
            return await the_end(fleet, truth, sent, wrong=wrong, figures=figures)


async def _find(settings: Settings, whom: Find) -> int:
    """The broker that has a role; while the role is being handed over nobody does."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            with suppress(KafkaError):
                async with admin_client(settings.kafka) as admin:
                    if (node := await whom(admin, settings)) > 0:
                        return node
            await asyncio.sleep(0.2)


async def _in_sync(settings: Settings, copies: int) -> None:
    """Wait until every partition is on ``copies`` brokers again, so that one more may die."""
    async with asyncio.timeout(_PATIENCE_S):
        while True:
            topics = []
            with suppress(KafkaError):
                async with admin_client(settings.kafka) as admin:
                    topics = await admin.describe_topics()
            partitions = [each for topic in topics for each in topic["partitions"]]
            if partitions and all(len(each["isr"]) == copies for each in partitions):
                return
            await asyncio.sleep(0.2)


async def widen(settings: Settings, logs: Path, *, posts: int, partitions: int, noticed_s: float) -> Verdict:
    """Give the feed more partitions while posts stream through it."""
    half = posts // 2
    noticing = {"CRISIS_STREAM_KAFKA__METADATA_MAX_AGE_S": str(noticed_s)}
    with Fleet(settings, 2, logs, environment=noticing) as fleet:
        async with Truth(settings) as truth:
            feeding = asyncio.create_task(feed(settings, numbered(range(half))))
            await truth.wait(1, START_S, fleet.revive)
            async with admin_client(settings.kafka) as admin:
                await admin.create_partitions({settings.topics.posts: NewPartitions(partitions)})
            began = time.monotonic()
            await feeding
            await feed(settings, numbered(range(half, posts)))
            await truth.wait(posts, _PATIENCE_S, fleet.revive)
            new = [TopicPartition(settings.topics.posts, n) for n in range(settings.kafka.partitions, partitions)]
            empty = [each.partition for each, end in (await truth.ends_of(new)).items() if not end]
            wrong = [f"no post came to the new partitions {empty}"] if empty else []
            figures = {"partitions_before": settings.kafka.partitions, "partitions_after": partitions}
            figures |= {"worker_restarts": fleet.restarts, "seconds": round(time.monotonic() - began)}
            sent = [str(number) for number in range(posts)]
            return await the_end(fleet, truth, sent, wrong=wrong, figures=figures)
