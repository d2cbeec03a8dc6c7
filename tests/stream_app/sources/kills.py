"""Kills a source again and again while its network goes on, and counts what the feed then lacks or has twice."""

from __future__ import annotations

import asyncio
import random
import signal
from collections import Counter
from contextlib import suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from commands import Command

SHORT, LONG = 2, 20
"""Kills in CI, and with ``-m long``."""


def command(settings, environment, *words):
    """``crisis-stream source WORDS`` as a process of its own, with these settings under ``sources``."""
    prefix = "CRISIS_STREAM_SOURCES__"
    variables = {"CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix}
    variables |= {f"{prefix}{name}": value for name, value in environment.items()}
    bootstrap = settings.kafka.bootstrap_servers
    return Command("source", "--bootstrap", bootstrap, "--http-port", 0, *words, environment=variables)


async def kill(start, settings, kills, through):
    """Start a source and kill it by SIGKILL so often, each time after 20 more records in the feed and up to a second.

    At last it runs until ``await through()``, which says whether all is in the feed, and ends in order.
    """
    chance = random.Random(7)
    for number in range(kills + 1):
        running = start()
        had = await _reached(settings)
        await _until(running, lambda had=had: _grown(settings, had))
        if number < kills:
            await asyncio.sleep(chance.uniform(0, 1))
            running.kill()
            await asyncio.to_thread(running.communicate)
    with suppress(TimeoutError):  # what is lost is never there
        async with asyncio.timeout(60):
            await _until(running, through)
    running.send_signal(signal.SIGTERM)
    said = await asyncio.to_thread(running.communicate)
    assert running.returncode == 0, said


def judged(kills, found, wanted):
    """Print and return what of ``wanted`` is lost and what came twice."""
    times = Counter(found)
    lost = [each for each in wanted if each not in times]
    repeated = [each for each, number in times.items() if number > 1]
    print(f"{kills} kills, {len(times)} posts: lost {len(lost)}, repeated {len(repeated)}")
    return lost, repeated


async def _until(running, done):
    while not await done():
        assert running.poll() is None, running.communicate()
        await asyncio.sleep(0.05)


async def _grown(settings, had):
    return await _reached(settings) >= had + 20


async def _reached(settings):
    """How far the feed goes; transaction markers count too."""
    topic, servers = settings.topics.posts, settings.kafka.bootstrap_servers
    async with AIOKafkaConsumer(bootstrap_servers=servers, isolation_level="read_committed") as consumer:
        return sum((await consumer.end_offsets([TopicPartition(topic, 0), TopicPartition(topic, 1)])).values())
