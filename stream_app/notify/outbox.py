"""What was told and what is to be told, kept in a compacted topic of one partition.

Finding something to tell and having read what it was found in are one Kafka transaction: nothing is queued twice or
forgotten. Then, for each delivery: *begun* is written, the call is made, *sent* is written. A process that dies in
between finds *begun* when it starts again, does not know whether the call got through, and makes it again with the same
idempotency key. That is the most anybody can promise of a world outside Kafka: at least once, with a key by which the
receiver tells the second from the first. A newer process fences an older one off (one transactional id).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from aiokafka import AIOKafkaProducer, TopicPartition

from stream_app.kafka.clients import explained, producer_options, started
from stream_app.kafka.subscribe import EPOCH, read_as, subscribe
from stream_app.notify.notice import Notice, State, delivery_of
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_KEPT = timedelta(days=30)
"""Notices done with so long ago are forgotten: nothing as old is read again."""


def group_of(settings: Settings) -> str:
    """The group under which Kafka keeps how far alerts and incidents were read; the transactional id, too."""
    return f"{settings.topics.prefix}notify"


class Outbox:
    """The notices by key, in memory as in Kafka."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        self._topic, self._group = settings.topics.notices, group_of(settings)
        self._producer = producer
        self._notices: dict[str, Notice] = {}
        self._open: dict[str, Notice] = {}
        self._writing = asyncio.Lock()
        self._changed: set[asyncio.Future[None]] = set()

    @property
    def open(self) -> list[Notice]:
        """Those with something left to do, the oldest first."""
        return list(self._open.values())

    async def change(self, within_s: float) -> None:
        """Return when something has changed, or after ``within_s`` seconds."""
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._changed.add(changed)
        await asyncio.wait([changed], timeout=within_s)
        self._changed.discard(changed)

    def _put(self, notice: Notice) -> None:
        self._notices[notice.key] = notice
        if notice.open:
            self._open[notice.key] = notice
        else:
            self._open.pop(notice.key, None)

    async def load(self, settings: Settings) -> list[Notice]:
        """Read what the topic holds; all of it, in its order."""
        found = []
        async for received in subscribe(settings, [self._topic], since=EPOCH, until_end=True):
            if not received.value:
                self._notices.pop(received.key or "", None)
                self._open.pop(received.key or "", None)
                continue
            notice = read_as(received, Notice, "notice")
            if notice is not None:
                self._put(notice)
                found.append(notice)
        return found

    async def queue(
        self, found: Sequence[Notice], offsets: Mapping[TopicPartition, int], now: datetime
    ) -> list[Notice]:
        """Queue what has not been queued before, and commit what was read; one transaction. What is new comes back.

        An older notice of the same incident, rule and channel that still waits is superseded.
        """
        fresh = {notice.key: notice for notice in found if notice.key not in self._notices}
        about = {(notice.channel, notice.rule, notice.subject) for notice in fresh.values()}
        older = [
            notice.model_copy(update={"state": "superseded"})
            for notice in self.open
            if notice.state == "queued" and (notice.channel, notice.rule, notice.subject) in about
        ]
        forgotten = [n.key for n in self._notices.values() if not n.open and n.at < now - _KEPT] if fresh else []
        await self._write([*older, *fresh.values()], offsets, forgotten)
        return list(fresh.values())

    async def begin(self, notices: Sequence[Notice]) -> list[Notice]:
        """Note that a delivery of ``notices`` is about to be tried; they come back with its idempotency key."""
        delivery = delivery_of(notices)
        begun = [notice.model_copy(update={"state": "begun", "delivery": delivery}) for notice in notices]
        await self._write(begun)
        return begun

    async def end(self, notices: Sequence[Notice], state: State, error: str | None = None) -> None:
        """Note what became of them: sent, failed or silenced."""
        await self._write([notice.model_copy(update={"state": state, "error": error}) for notice in notices])

    async def _write(
        self,
        notices: Sequence[Notice],
        offsets: Mapping[TopicPartition, int] | None = None,
        forgotten: Iterable[str] = (),
    ) -> None:
        async with self._writing, self._producer.transaction():
            sent = [
                await self._producer.send(self._topic, value, key=key.encode())
                for key, value in [
                    *((notice.key, notice.model_dump_json().encode()) for notice in notices),
                    *((key, None) for key in forgotten),
                ]
            ]
            await asyncio.gather(*sent)
            if offsets:
                await self._producer.send_offsets_to_transaction(dict(offsets), self._group)
        for key in forgotten:
            self._notices.pop(key, None)
        for notice in notices:
            self._put(notice)
        for changed in self._changed:
            if not changed.done():
                changed.set_result(None)


@asynccontextmanager
async def outbox(settings: Settings) -> AsyncIterator[Outbox]:
    """An outbox that may be written to; one process at a time, the newest.

    Raises:
        aiokafka.errors.KafkaError: Kafka cannot be reached or refuses; ``ProducerFenced`` once a newer process began.
    """
    producer = AIOKafkaProducer(
        **producer_options(settings.kafka),
        transactional_id=group_of(settings),
        transaction_timeout_ms=round(settings.kafka.transaction_timeout_s * 1000),
    )
    async with explained(settings.kafka), started(producer):
        yield Outbox(settings, producer)
