"""Runs a source: connects, connects again, filters, and writes into the feed.

Messages travel in small transactions, each with the place the source has reached. So after a kill at any moment it goes
on after the last message that ``read_committed`` readers can see; what the network then sends again is left out.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from aiokafka.structs import OffsetAndMetadata

from stream_app.kafka.clients import consumer_options, started
from stream_app.kafka.inside_aiokafka import committed_with_metadata
from stream_app.kafka.window import WINDOW_S, Window, settled, transactional_producer
from stream_app.settings import Settings
from stream_app.sources.backoff import Backoff
from stream_app.sources.filter import Filter
from stream_app.sources.frame import DisconnectedError, Frame, Gap, Network, SourceError
from stream_app.sources.metrics import Metrics
from stream_app.sources.place import Place

logger = logging.getLogger(__name__)

_HELD_S = 10.0
"""A connection that held so long was a good one: what comes next is a new failure."""
_QUIET_S = 5.0
"""How often the place is kept while nothing is sent."""


class Source:
    """One network's stream into the feed topic.

    ``name`` is its transactional id and its consumer group: a second source of the same name ends the first.
    """

    def __init__(self, settings: Settings, network: Network, metrics: Metrics) -> None:
        self.name = source_name(settings, network.name)
        self._settings, self._network, self._metrics = settings, network, metrics
        self._filter = Filter(settings.sources)
        self._mark = TopicPartition(settings.topics.posts, 0)
        self._place = Place()
        self._kept = 0.0

    async def run(self, stop: asyncio.Event) -> None:
        """Feed until ``stop`` is set.

        Raises:
            SourceError: the network refuses, and trying again cannot help.
            BrokenOffError: Kafka ended the open transaction; a restart goes on after what was committed.
            aiokafka.errors.KafkaError: Kafka refused or went away.
        """
        kafka = self._settings.kafka
        producer = transactional_producer(kafka, self.name)
        async with started(producer):
            # The producer's start ended whatever transaction a killed source left open, so this place is final.
            self._place = await self._found()
            window = Window(producer, self._settings.topics.posts, self.name)
            async with settled(window, kafka, "this source", "another source of the same name has started"):
                await self._keep(window)
                await window.commit()
                async with aclosing(self._connected()) as frames:
                    await self._feed(frames, window, stop)
                if not window.broken:
                    await self._keep(window)

    async def _feed(self, frames: AsyncIterator[Frame], window: Window, stop: asyncio.Event) -> None:
        stopping = asyncio.create_task(stop.wait())
        reading: asyncio.Task[Frame] | None = None
        try:
            while not stop.is_set():
                reading = reading or asyncio.create_task(_next(frames))
                await asyncio.wait({reading, stopping}, timeout=WINDOW_S, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    frame, reading = reading.result(), None
                    await self._take(frame, window)
                if window.due(0.0) or (window.opened is None and time.monotonic() - self._kept > _QUIET_S):
                    await self._keep(window)
                    await window.commit()
        finally:
            stopping.cancel()
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await reading

    async def _take(self, frame: Frame, window: Window) -> None:
        """Send a frame, unless it is unwanted or was sent before, and move the place on."""
        if frame.gap is not None:
            self._tell(frame.gap)
        if frame.value is not None:
            self._metrics.message(await self._became(frame, frame.value, window))
        if frame.position is not None:
            self._place.position = frame.position
        self._place.heard = time.time()
        self._metrics.alive(self._place.heard)

    async def _became(self, frame: Frame, value: bytes, window: Window) -> str:
        place, number = self._place, frame.position if frame.number is None else frame.number
        if frame.id is not None and place.knows(frame.id, number if frame.again else None):
            return "repeated"
        if frame.judged and not self._filter.passes(value):
            return "filtered"
        sent = await window.send(value, key=frame.key)
        if frame.id is not None:
            place.remember(frame.id, number)
        return "sent" if sent else "too_large"

    async def _keep(self, window: Window) -> None:
        self._kept = time.monotonic()
        await window.reach(self._mark, OffsetAndMetadata(self._place.position, self._place.text()))

    async def _connected(self) -> AsyncGenerator[Frame]:
        """The frames of one connection after the other."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                async with aclosing(self._network.frames(self._place)) as frames:
                    async for frame in frames:
                        yield frame
            except DisconnectedError as error:
                if time.monotonic() - began > _HELD_S:
                    backoff.reset()
                wait_s = backoff.after(error)
                self._metrics.lost(error.kind, str(error))
                logger.warning("%s; connecting again in %g s", error, wait_s)
                await _wait(wait_s)

    async def _found(self) -> Place:
        """The place kept in Kafka, or a first one."""
        options = consumer_options(self._settings.kafka)
        async with AIOKafkaConsumer(**options, group_id=self.name, enable_auto_commit=False) as consumer:
            consumer.assign([self._mark])
            try:
                kept = await committed_with_metadata(consumer, self._mark)
            except KafkaError as error:
                if "TopicAuthorizationFailedError" in str(error):  # as aiokafka wraps it, which does not say of what
                    raise TopicAuthorizationFailedError(self._mark.topic) from None
                raise
        if kept is None or kept.offset < 0:
            first = self._network.position
            logger.info("%s keeps no place yet: it begins now", self.name)
            return Place(position=first, floor=max(first - 1, 0))
        try:
            place = Place.read(kept.metadata)
        except ValueError:
            raise SourceError(
                f"group {self.name} holds offsets that no source wrote: choose another --name, or delete the group"
            ) from None
        ago = (
            f"{max(time.time() - place.heard, 0.0):.0f} s after it was last heard of"
            if place.heard
            else "never heard of"
        )
        logger.info("%s goes on from position %d, %s", self.name, place.position, ago)
        return place

    def _tell(self, gap: Gap) -> None:
        seconds = (gap.until - gap.since).total_seconds() if gap.since else None
        self._metrics.gap(seconds)
        since = gap.since.isoformat(timespec="seconds") if gap.since else "an unknown time"
        logger.warning(
            "GAP: posts from %s to %s may be missing: %s", since, gap.until.isoformat(timespec="seconds"), gap.why
        )


async def _wait(seconds: float) -> None:
    await asyncio.sleep(seconds)


async def _next(frames: AsyncIterator[Frame]) -> Frame:
    return await anext(frames)


def source_name(settings: Settings, network: str) -> str:
    """What a source is called in Kafka: its transactional id and the group that keeps its place."""
    return f"{settings.topics.prefix}source.{settings.sources.name or network}"
