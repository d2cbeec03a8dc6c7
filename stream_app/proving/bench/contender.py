"""Runs a program that reads a feed and publishes results, and clocks them by when Kafka appended each to its topic.

Not by when a subscriber reads it: a subscriber in Python is slower than the fastest contenders, and shares their cores.
So results are read once they are all there, except where a subscriber's wait is what is measured.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from urllib.parse import urlsplit

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import NewTopic

from stream_app.kafka.broker.local import die_with_parent
from stream_app.kafka.clients import admin_client, client_options
from stream_app.kafka.topics import ensure_topics
from stream_app.proving.bench.pace import ContenderError, Pace, pace
from stream_app.settings import KafkaSettings, Settings, TopicSettings

SILENCE_S = 300.0
"""Seconds without a result after which a program is given up."""

WARM_UP = 0.25
"""Share of the posts that a program labels before the clock starts."""

MAX_DEGRADED = 0.02
"""Share of results that may lack a photo; more would make a program look fast by what it leaves out."""

_DEGRADED = b'"degraded":true'


class Contender:
    """A running program, the feed it reads and the subscriber that counts its results.

    ``seen`` maps a result's key to its arrival at the subscriber, ``time.monotonic()``; ``written`` has when Kafka
    appended each, and ``spent`` the program's processor seconds at moments between, both ``time.time()``. ``degraded``
    counts the results that lack a photo, by the reasons they give.
    """

    def __init__(
        self, topic: str, process: asyncio.subprocess.Process, producer: AIOKafkaProducer, consumer: AIOKafkaConsumer
    ) -> None:
        self._topic, self._process, self._producer, self._consumer = topic, process, producer, consumer
        self.written: list[float] = []
        self.spent: list[tuple[float, float]] = []
        self.seen: dict[str, float] = {}
        self.degraded: Counter[str] = Counter()

    async def race(self, values: Sequence[bytes]) -> Pace:
        """Give it posts, all at once, and time it until the last result; it must have nothing else to do.

        It is stopped while they are put into the feed, so that it neither starts early nor shares the cores with us.

        Raises:
            ContenderError: as :meth:`wait_for`.
        """
        before = len(self.written)
        self._process.send_signal(signal.SIGSTOP)
        try:
            await feed(self._producer, self._topic, values)
        finally:
            began = time.time()
            self._process.send_signal(signal.SIGCONT)
        await self.finish(before + len(values))
        return pace(began, self.written, self.spent)

    async def send(self, value: bytes) -> None:
        """Put one post into the feed."""
        await self._producer.send(self._topic, value)

    async def finish(self, count: int) -> None:
        """Leave the program alone until ``count`` results are written, then read them.

        Raises:
            ContenderError: as :meth:`wait_for`.
        """
        ends, changed = 0, time.monotonic()
        while ends < count:
            await asyncio.sleep(0.1)
            before, ends = ends, sum((await self._consumer.end_offsets(self._consumer.assignment())).values())
            changed = time.monotonic() if ends > before else changed
            self._check(f"{ends} of {count} results were written", changed)
        await self.wait_for(count)

    async def wait_for(self, count: int) -> None:
        """Read results as they come until there are ``count`` in all.

        Raises:
            ContenderError: the program ended, or nothing came for a long time.
        """
        last = time.monotonic()
        while len(self.written) < count:
            batches = await self._consumer.getmany(timeout_ms=200)
            now = time.monotonic()
            for records in batches.values():
                last = now
                self.written += [record.timestamp / 1000 for record in records]
                self.degraded.update(
                    why_degraded(value) for record in records if _DEGRADED in (value := record.value or b"")
                )
                self.seen.update((record.key.decode(), now) for record in records if record.key)
            self._check(f"{len(self.written)} of {count} results came out", last)

    async def watch(self) -> None:
        """Note what the program has spent, until cancelled or it ends."""
        import psutil

        with suppress(psutil.NoSuchProcess):
            program = psutil.Process(self._process.pid)
            while True:
                times = program.cpu_times()
                self.spent.append((time.time(), float(times.user + times.system)))
                await asyncio.sleep(0.02)

    def _check(self, state: str, last: float) -> None:
        if self._process.returncode is not None:
            raise ContenderError(f"{state}, then exit {self._process.returncode}")
        if time.monotonic() - last > SILENCE_S:
            raise ContenderError(f"{state}, then silence")


def why_degraded(result: bytes) -> str:
    """What a result that lacks a photo says of that, addresses left out; a rival may say nothing."""
    reasons = json.loads(result).get("degraded_reasons") or ["no reason given"]
    return "; ".join(reason.rpartition(" (")[0] or reason for reason in reasons)


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
    topics, options = settings.topics, client_options(kafka)
    async with admin_client(kafka) as admin:
        timed = {"message.timestamp.type": "LogAppendTime"}
        await admin.create_topics([NewTopic(topics.events, kafka.partitions, 1, topic_configs=timed)])
    await ensure_topics(settings)
    mine = {
        # Compiled once a run, whatever the environment says: torch and transformers take a minute to compile.
        "PYTHONDONTWRITEBYTECODE": "",
        "PYTHONPYCACHEPREFIX": _bytecode().name,
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
                    sys.executable,
                    *("-m", *arguments),
                    env={**os.environ, **mine},
                    stdout=log,
                    stderr=log,
                    preexec_fn=die_with_parent(),
                )
                running = Contender(topics.posts, process, producer, consumer)
                watching = asyncio.create_task(running.watch())
                try:
                    yield running
                except ContenderError as error:
                    log.seek(max(0, log.tell() - 2000))
                    raise ContenderError(f"{module}: {error}\n{log.read().decode(errors='replace')}") from error
                finally:
                    watching.cancel()
                    await _stop(process)


@cache
def _bytecode() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="crisis-bench-bytecode-")


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), 15)
    except TimeoutError:
        process.kill()
        await process.wait()


@asynccontextmanager
async def raced(
    kafka: KafkaSettings, module: str, values: Sequence[bytes], *, environment: Mapping[str, str]
) -> AsyncIterator[tuple[Contender, Pace]]:
    """Start a program as :func:`contender`, let a share of ``values`` warm it up and time it on the others.

    All of these are in the clock, first to last: a program may let posts without photos pass those with, and a part of
    its results, a window's, would hold more or fewer photos than the stream.
    """
    warm = round(len(values) * WARM_UP)
    async with contender(kafka, module, values[:warm], environment=environment) as running:
        await running.finish(warm)
        yield running, await running.race(values[warm:])


async def speed(
    kafka: KafkaSettings, module: str, values: Sequence[bytes], *, settings: Mapping[str, str] | None = None
) -> Pace:
    """How fast a program takes posts from feed to published result, once warm.

    Raises:
        ContenderError: as :meth:`Contender.wait_for`, or too many results lack a photo.
    """
    async with raced(kafka, module, values, environment=settings or {}) as (running, reached):
        if (lacking := running.degraded.total()) > MAX_DEGRADED * len(values):
            why = "; ".join(f"{count} times: {reason}" for reason, count in running.degraded.most_common(3))
            raise ContenderError(
                f"{lacking} of {len(values)} results lack a photo ({why}): there is nothing to compare"
            )
        return reached


def environment(photos_at: str, model: str, device: str, number_format: str) -> dict[str, str]:
    """The worker's settings for a run: the model and where it runs, and photos from the loopback host."""
    chosen = {
        "CRISIS_STREAM_MODEL__SOURCE": model,
        "CRISIS_STREAM_MODEL__DEVICE": device,
        "CRISIS_STREAM_MODEL__NUMBER_FORMAT": number_format,
    }
    if photos_at:
        chosen["CRISIS_STREAM_MEDIA__ALLOWED_PRIVATE"] = '["127.0.0.1/32"]'
        chosen["CRISIS_STREAM_MEDIA__ALLOWED_PORTS"] = f"[{urlsplit(photos_at).port}]"
    return chosen
