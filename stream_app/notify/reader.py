"""Reads alerts, incidents and acts, and queues what the rules have to tell of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from model.scorer import CONCEPTS
from stream_app.decisions.showcase import Showcase
from stream_app.decisions.store import decision_in
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import consumer_options
from stream_app.kafka.subscribe import Received, partitions_of, reached, read_as, received_of, seek
from stream_app.notify.notice import Notice
from stream_app.notify.outbox import Outbox, group_of
from stream_app.notify.rules import Rules
from stream_app.pipeline.events.event import Event
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_POLL_MS = 300
_MAX_RECORDS = 500


class Reader:
    """What is known of incidents and acts, and the rules. Reading begins where the last process had come to."""

    def __init__(self, settings: Settings, rules: Rules, outbox: Outbox) -> None:
        self._settings, self._rules, self._outbox = settings, rules, outbox
        self._tasks = {settings.topics.alerts(concept): concept for concept in CONCEPTS}
        self.showcase = Showcase(settings.notify.incidents)
        self.ready = asyncio.Event()

    async def run(self, since: datetime | None) -> None:
        """Read for ever. ``since`` counts the first time only: None for what comes from now on.

        Raises:
            aiokafka.errors.KafkaError: Kafka cannot be reached or refuses, a topic is missing.
        """
        topics = self._settings.topics
        known = [topics.incidents, topics.decisions]
        partitions = await partitions_of(self._settings, [*known, *self._tasks])
        consumer = AIOKafkaConsumer(
            **consumer_options(self._settings.kafka),
            group_id=group_of(self._settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
        )
        await consumer.start()
        try:
            consumer.assign(partitions)
            fresh = await self._begins(consumer, partitions, since)
            await consumer.seek_to_beginning(*[tp for tp in partitions if tp.topic in known])
            await self._seek_back(consumer, [tp for tp in partitions if tp.topic in self._tasks], fresh)
            waiting = await self._warm(consumer, fresh)
            self.ready.set()
            await self._take(waiting)
            while True:
                batch = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)
                await self._take([record for records in batch.values() for record in records])
        finally:
            await consumer.stop()

    async def _begins(
        self, consumer: AIOKafkaConsumer, partitions: Sequence[TopicPartition], since: datetime | None
    ) -> dict[TopicPartition, int]:
        """Where each partition's news begins: where the last process had come to, else at ``since``, which is kept."""
        fresh = {tp: await consumer.committed(tp) for tp in partitions}
        first = [tp for tp, offset in fresh.items() if offset is None]
        if first:
            await seek(consumer, first, since)
            begins = {tp: await consumer.position(tp) for tp in first}
            await self._outbox.queue([], begins, datetime.now(UTC))
            fresh |= begins
        return fresh

    async def _seek_back(
        self, consumer: AIOKafkaConsumer, alerts: Sequence[TopicPartition], fresh: dict[TopicPartition, int]
    ) -> None:
        """Go back as far as alerts are counted."""
        back: dict[TopicPartition, int] = {}
        if self._rules.window:
            await seek(consumer, alerts, datetime.now(UTC) - self._rules.window - timedelta(minutes=1))
            back = {tp: await consumer.position(tp) for tp in alerts}
        for tp in alerts:
            consumer.seek(tp, min(back.get(tp, fresh[tp]), fresh[tp]))

    async def _warm(self, consumer: AIOKafkaConsumer, fresh: dict[TopicPartition, int]) -> list[ConsumerRecord]:
        """Take in what was dealt with before; the news met on the way is returned."""
        waiting: list[ConsumerRecord] = []
        while not await reached(consumer, fresh):
            for tp, records in (await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MAX_RECORDS)).items():
                old = [record for record in records if record.offset < fresh[tp]]
                waiting += records[len(old) :]
                for record in old:
                    received = received_of(record)
                    with _living_on(received):
                        if (task := self._tasks.get(received.topic)) is None:
                            self._learn(received)
                        elif (event := read_as(received, Event, "event")) is not None:
                            self._rules.warm(event, task, received.timestamp)
        self.showcase.changes()
        return waiting

    async def _take(self, records: Sequence[ConsumerRecord]) -> None:
        if not records:
            return
        now = datetime.now(UTC)
        found: list[Notice] = []
        withdrawn: set[str] = set()
        came = list(map(received_of, records))
        for received in came:
            with _living_on(received):
                if (task := self._tasks.get(received.topic)) is None:
                    self._learn(received)
                elif (event := read_as(received, Event, "event")) is not None:
                    found += self._rules.alert(event, task, received.timestamp, now)
                    if event.withdrawn is not None and not event.withdrawn.place_only:
                        withdrawn |= {event.id, *event.withdrawn.events}
        at = max(received.timestamp for received in came)
        for item in self.showcase.changes()[0]:
            found += self._rules.incident(item, at, now)
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            offsets[TopicPartition(record.topic, record.partition)] = record.offset + 1
        await self._outbox.queue(found, offsets, now)
        gone = [notice for notice in self._outbox.open if notice.state == "queued" and withdrawn & events_of(notice)]
        if gone:
            await self._outbox.end(gone, "silenced", "withdrawn")

    def _learn(self, received: Received) -> None:
        if received.topic == self._settings.topics.decisions:
            decision = decision_in(received)
            if decision is not None:
                self.showcase.act(decision)
        elif not received.value:
            self.showcase.drop(received.key or "")
        else:
            incident = read_as(received, Incident, "incident")
            if incident is None:
                return
            if incident.post_count:
                self.showcase.put(incident)
            else:  # all its posts were withdrawn
                self.showcase.drop(incident.id)


def events_of(notice: Notice) -> set[str]:
    """Ids of the events that a notice tells of."""
    return {event["id"] for event in notice.data.get("events", ())}


@contextmanager
def _living_on(received: Received) -> Iterator[None]:
    """One odd record must not stop the others, again after each restart."""
    try:
        yield
    except Exception:
        logger.exception("left out %s", received.place)
