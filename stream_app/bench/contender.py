"""Runs a program that reads a feed and publishes results, and clocks what comes out as a subscriber sees it."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from stream_app.kafka import client_options, ensure_topics
from stream_app.settings import KafkaSettings, Settings, TopicSettings

MAX_DEGRADED = 0.02
"""Share of results that may lack a photo; more would make a program look fast by what it leaves out."""

WARM_UP = 0.25
"""Share of the results that come out before the clock starts."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Posts a second of the clock, and posts a second of processor time over all cores.

    The second hardly changes when other programs share the machine; the first is what a user sees.
    """

    clock: float
    cpu: float


class ContenderError(Exception):
    """A contender ended or fell silent; the message has the end of what it wrote."""


class Contender:
    """A running program, the feed it reads and the subscriber that counts its results.

    ``seen`` maps a result's key to its arrival, ``time.monotonic()``; ``arrivals`` has them all in order, ``spent`` the
    program's processor seconds by then.
    """

    def __init__(
        self, topic: str, process: asyncio.subprocess.Process, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer
    ) -> None:
        self._topic, self._process, self._producer, self._consumer = topic, process, producer, consumer
        self.arrivals: list[float] = []
        self.spent: list[float] = []
        self.seen: dict[str, float] = {}
        self.degraded = 0

    async def feed(self, values: Sequence[bytes]) -> None:
        """Put posts into the feed as fast as Kafka takes them."""
        await feed(self._producer, self._topic, values)

    async def send(self, value: bytes) -> None:
        """Put one post into the feed."""
        await self._producer.send(self._topic, value)

    async def wait_for(self, count: int, silence_s: float = 120.0) -> None:
        """Wait until ``count`` results have come out in all.

        Raises:
            ContenderError: the program ended, or nothing came for ``silence_s`` seconds.
        """
        last = time.monotonic()
        while len(self.arrivals) < count:
            batches = await self._consumer.getmany(timeout_ms=200)
            now = time.monotonic()
            cpu = self._cpu_s() if batches else 0.0
            for records in batches.values():
                last = now
                self.arrivals += [now] * len(records)
                self.spent += [cpu] * len(records)
                self.degraded += sum(b'"degraded":true' in (record.value or b"") for record in records)
                self.seen.update((record.key.decode(), now) for record in records if record.key)
            if self._process.returncode is not None or now - last > silence_s:
                why = "silence" if self._process.returncode is None else f"exit {self._process.returncode}"
                raise ContenderError(f"{len(self.arrivals)} of {count} results came out, then {why}")

    def _cpu_s(self) -> float:
        import psutil

        with suppress(psutil.NoSuchProcess):
            times = psutil.Process(self._process.pid).cpu_times()
            return float(times.user + times.system)
        return 0.0

    def pace(self) -> Pace:
        """Results a second since the warm-up.

        Raises:
            ContenderError: all came at once, so there is nothing to time.
        """
        start = round(len(self.arrivals) * WARM_UP)
        first, last = self.arrivals[start], self.arrivals[-1]
        later = sum(arrival > first for arrival in self.arrivals)
        if not later:
            raise ContenderError(f"its {len(self.arrivals)} results came all at once: too few to time")
        return Pace(later / (last - first), later / max(self.spent[-1] - self.spent[start], 0.01))


async def feed(producer: AIOKafkaProducer, topic: str, values: Sequence[bytes]) -> None:
    """Send ``values`` to ``topic`` in order, round the partitions, and wait until Kafka has them."""
    sent = [await producer.send(topic, value) for value in values]
    await asyncio.gather(*sent)


@asynccontextmanager
async def contender(
    kafka: KafkaSettings, module: str, values: Sequence[bytes], *, environment: Mapping[str, str] | None = None
) -> AsyncIterator[Contender]:
    """Start ``python -m module`` on a feed of its own that already holds ``values``; stop it at the end.

    ``stream_app worker ...`` reads its settings from the environment; a rival gets them as arguments.
    """
    prefix = f"bench{uuid.uuid4().hex[:8]}."
    settings = Settings(kafka=kafka, topics=TopicSettings(prefix=prefix))
    await ensure_topics(settings)
    topics, options = settings.topics, client_options(kafka)
    mine = {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "CRISIS_STREAM_TOPICS__PREFIX": prefix,
        "CRISIS_STREAM_WORKER__GROUP_ID": prefix,
        "CRISIS_STREAM_WORKER__HTTP_PORT": "0",
        **(environment or {}),
    }
    arguments = module.split() if module.startswith("stream_app ") else [module, kafka.bootstrap_servers]
    if arguments[0] == module:
        arguments += [topics.posts, topics.events]
    async with AIOKafkaProducer(linger_ms=5, **options) as producer:
        await feed(producer, topics.posts, values)
        async with AIOKafkaConsumer(isolation_level="read_committed", enable_auto_commit=False, **options) as consumer:
            partitions = [TopicPartition(topics.events, number) for number in range(kafka.partitions)]
            consumer.assign(partitions)
            await consumer.seek_to_beginning()
            with tempfile.TemporaryFile() as log:
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-m", *arguments, env={**os.environ, **mine}, stdout=log, stderr=log
                )
                try:
                    yield Contender(topics.posts, process, producer, consumer)
                except ContenderError as error:
                    log.seek(max(0, log.tell() - 2000))
                    raise ContenderError(f"{module}: {error}\n{log.read().decode(errors='replace')}") from error
                finally:
                    await _stop(process)


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 15)
    except TimeoutError:
        process.kill()
        await process.wait()


async def speed(
    kafka: KafkaSettings, module: str, values: Sequence[bytes], *, photos_at: str = "", model: str = "default"
) -> Pace:
    """How fast a program takes posts from feed to published result."""
    async with contender(kafka, module, values, environment=environment(photos_at, model)) as running:
        await running.wait_for(len(values))
        if running.degraded > MAX_DEGRADED * len(values):
            raise ContenderError(
                f"{running.degraded} of {len(values)} results lack a photo: there is nothing to compare"
            )
        return running.pace()


def environment(photos_at: str, model: str) -> dict[str, str]:
    """The worker's settings for a run: the model, and photos from the loopback host."""
    chosen = {"CRISIS_STREAM_MODEL__SOURCE": model}
    if photos_at:
        chosen["CRISIS_STREAM_MEDIA__ALLOWED_PRIVATE"] = '["127.0.0.1/32"]'
        chosen["CRISIS_STREAM_MEDIA__ALLOWED_PORTS"] = f"[{urlsplit(photos_at).port}]"
    return chosen
