"""The posts of an earlier hour, read back from Kafka by time when somebody moves the slider there.

What was withdrawn since is not shown, so the events after that hour are passed over up to the end, withdrawals alone
being read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from pydantic import ValidationError

from stream_app.dashboard.state import DashboardState
from stream_app.kafka.clients import consumer_options
from stream_app.kafka.subscribe import partitions_of, reached, received_of
from stream_app.pipeline.events.event import WITHDRAWN_TYPE, Event
from stream_app.settings import Settings

MOST = 20_000
"""Events of an hour that are read, the last ones: some two seconds of a core."""
_KEPT = 4
_PATIENCE_S = 60.0
_YIELD_EVERY = 200
_POLL_MS, _LOOKS = 500, 10
_TYPE = "ce_type"
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Window:
    """Posts that came from ``since`` to ``until``; ``cut`` when there were more than :data:`MOST`."""

    since: datetime
    until: datetime
    state: DashboardState
    cut: bool

    def view(self) -> dict[str, Any]:
        """As browsers get it."""
        cards = self.state.snapshot()["cards"]
        return {"since": self.since.isoformat(), "until": self.until.isoformat(), "cut": self.cut, "cards": cards}


Read = Callable[[datetime, datetime, DashboardState], Awaitable[bool]]
"""Reads events between two times into a state; whether there were more than it read."""


class Past:
    """The last few windows that were asked for; one is read at a time."""

    def __init__(
        self, live: DashboardState, read: Read, first: Callable[[], Awaitable[datetime | None]], length: timedelta
    ) -> None:
        self._live, self._read, self.first, self.length = live, read, first, length
        self._windows: OrderedDict[datetime, Window] = OrderedDict()
        self._turn = asyncio.Lock()
        live.withdrawn_too = self._withdraw

    def on_show(self, look: Callable[[DashboardState], _Found | None]) -> _Found | None:
        """What is found first: in the present, then in the past that somebody may look at."""
        states = (self._live, *(window.state for window in self._windows.values()))
        return next((found for state in states if (found := look(state)) is not None), None)

    async def window(self, until: datetime) -> Window:
        """The posts that came up to ``until``.

        Raises:
            KafkaError: Kafka cannot be reached or refuses.
            TimeoutError: so much has come since that it cannot be passed over in a minute.
        """
        async with self._turn:
            if until not in self._windows:
                state = self._live.beginning()
                since = until - self.length
                async with asyncio.timeout(_PATIENCE_S):
                    cut = await self._read(since, until, state)
                self._windows[until] = Window(since, until, state, cut)
                if len(self._windows) > _KEPT:
                    self._windows.popitem(last=False)
            self._windows.move_to_end(until)
            return self._windows[until]

    def _withdraw(self, event: Event) -> list[str]:
        """Take a withdrawn post out of the past as well; the cards that went."""
        gone = []
        for window in self._windows.values():
            window.state.withdraw(event)
            gone += window.state.take_changes().gone
        return gone


async def read_events(settings: Settings, since: datetime, until: datetime, state: DashboardState) -> bool:
    """Read the events that came between two times into ``state``, and take out what was withdrawn since."""
    partitions = await partitions_of(settings, [settings.topics.events])
    async with _consumer(settings) as consumer:
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await _at(consumer, ends, since)
        stops = await _at(consumer, ends, until)
        room = MOST // len(partitions)
        cut = any(stops[each] - starts[each] > room for each in partitions)
        for each in partitions:
            consumer.seek(each, max(starts[each], stops[each] - room))
        taken = 0
        while not await reached(consumer, ends):
            for partition, records in (await consumer.getmany(timeout_ms=_POLL_MS)).items():
                for record in records:
                    _take(record, state, whole=record.offset < stops[partition])
                    taken += 1
                    if taken % _YIELD_EVERY == 0:
                        await asyncio.sleep(0)
    return cut


async def first_event(settings: Settings) -> datetime | None:
    """When the oldest event came that Kafka still has; None where there is none."""
    partitions = await partitions_of(settings, [settings.topics.events])
    async with _consumer(settings) as consumer:
        consumer.assign(partitions)
        starts, ends = await consumer.beginning_offsets(partitions), await consumer.end_offsets(partitions)
        left = {each for each in partitions if starts[each] < ends[each]}
        await consumer.seek_to_beginning(*partitions)
        found = []
        for _ in range(_LOOKS):
            if not left:
                break
            batch = await consumer.getmany(*left, timeout_ms=_POLL_MS, max_records=len(partitions))
            found += [received_of(records[0]).timestamp for records in batch.values()]
            left -= set(batch)
    return min(found, default=None)


def _consumer(settings: Settings) -> AIOKafkaConsumer:
    return AIOKafkaConsumer(
        **consumer_options(settings.kafka), isolation_level="read_committed", auto_offset_reset="earliest"
    )


async def _at(
    consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int], moment: datetime
) -> dict[TopicPartition, int]:
    found = await consumer.offsets_for_times(dict.fromkeys(ends, round(moment.timestamp() * 1000)))
    return {each: found[each].offset if found.get(each) else end for each, end in ends.items()}


def _take(record: ConsumerRecord[bytes, bytes], state: DashboardState, *, whole: bool) -> None:
    received = received_of(record)
    if not whole and received.headers.get(_TYPE, WITHDRAWN_TYPE) != WITHDRAWN_TYPE:
        return
    try:
        event = Event.model_validate_json(received.value)
    except ValidationError:
        return  # told of by who reads it live
    if event.withdrawn:
        state.withdraw(event)
    elif whole:
        state.add_event(event, received.timestamp)
