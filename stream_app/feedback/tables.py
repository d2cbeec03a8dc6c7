"""Keeps counts of verdicts in Faust tables, within the application that keeps incidents.

One table holds each analyst's verdict on each event together with what the model had said; the counts are worked out
from it. So a verdict delivered again, taken back or cut short by a crash can never be counted twice or be forgotten.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

import faust
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from stream_app.feedback.counts import Entry, VerdictCount, count, differences, resolved
from stream_app.feedback.store import read_events
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.subscribe import EPOCH, read_as, subscribe
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_TABLE = "verdict_counts"
_EVERY_S = 2.0
_HELP = "how often analysts agreed with each model's labels, and what they corrected to what"


def counts_topic(settings: Settings) -> str:
    """The compacted topic behind the table of counts."""
    return f"{settings.topics.prefix}{settings.incidents.app_id}-{_TABLE}-changelog"


async def read_counts(settings: Settings) -> list[VerdictCount]:
    """The counts as the application last wrote them.

    Raises:
        UnknownTopicOrPartitionError: it has never run.
        KafkaError: Kafka cannot be reached.
    """
    latest: dict[str | None, VerdictCount | None] = {}
    async for received in subscribe(settings, [counts_topic(settings)], since=EPOCH, until_end=True):
        latest[received.key] = read_as(received, VerdictCount, "count of verdicts") if received.value else None
    return [each for each in latest.values() if each]


def keep_counts(app: faust.App, settings: Settings) -> None:
    """Give ``app`` the agents and tables; they run once it is started."""
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    table = {"partitions": 1, "key_type": bytes, "value_type": bytes}
    gathered = app.topic(f"{app.conf.id}-verdicts", partitions=1, internal=True, retention=24 * 3600, **raw)
    verdicts = app.Table("verdicts", help="each analyst's latest verdict on each event", **table)
    counter = _Counter(settings, verdicts, app.Table(_TABLE, help=_HELP, **table))

    async def gather(stream: AsyncIterator[bytes]) -> None:
        """Brings verdicts to the one partition they are counted in."""
        async for value in stream:
            if _verdict(value) is not None:
                await gathered.send(key=b"", value=value)

    app.agent(app.topic(settings.topics.feedback, **raw), name="gather", concurrency=1)(gather)
    app.agent(gathered, name="count", concurrency=1)(counter.take)
    app.timer(_EVERY_S)(counter.update)
    app.on_partitions_revoked.connect(counter.let_go, weak=False)
    verdicts.on_recover(counter.recover)


class _Counter:
    """Looks up the events of new verdicts, many at a time since that reads the whole topic, and writes the counts."""

    def __init__(self, settings: Settings, verdicts: Any, counts: Any) -> None:
        self._settings = settings
        self._verdicts, self._counts = verdicts, counts
        self._pending: dict[bytes, Verdict] = {}
        self._stale = False

    async def let_go(self, *_: Any, **__: Any) -> None:
        """Another worker may count now."""
        self._pending, self._stale = {}, False

    async def recover(self) -> None:
        """Go on with what the worker before left: verdicts not looked up, counts not written."""
        entries = dict(self._verdicts.read_as(Entry))
        self._pending = {key: entry.verdict for key, entry in entries.items() if entry.kinds is None}
        self._stale = bool(entries)

    async def take(self, stream: AsyncIterator[bytes]) -> None:
        """Counts verdicts."""
        async for value in stream:
            verdict = _verdict(value)
            if verdict is None:
                continue
            key = f"{verdict.analyst or ''}\n{verdict.event}".encode()
            known = self._verdicts.get(key)
            if known is None or Entry.model_validate_json(known).verdict != verdict:
                self._verdicts[key] = Entry(verdict=verdict).model_dump_json().encode()
                self._pending[key] = verdict

    async def update(self) -> None:
        pending = dict(self._pending)
        if pending:
            try:
                events = await read_events(self._settings, {verdict.event for verdict in pending.values()})
            except KafkaError as error:
                logger.warning("the events of %d verdicts could not be looked up yet: %s", len(pending), error)
                return
            for key, verdict in pending.items():
                if self._pending.get(key) is verdict:  # neither replaced nor let go meanwhile
                    del self._pending[key]
                    entry = resolved(verdict, events.get(verdict.event))
                    self._verdicts[key] = entry.model_dump_json().encode()
                    self._stale = True
        if self._stale:
            self._stale = False
            counts = count(entry for _, entry in self._verdicts.read_as(Entry))
            for name, value in differences(counts, dict(self._counts.items())):
                if value is None:
                    self._counts.pop(name, None)
                else:
                    self._counts[name] = value


def _verdict(value: bytes | None) -> Verdict | None:
    try:
        return Verdict.model_validate_json(value or b"")
    except ValidationError as error:
        logger.warning("skipped feedback that is no verdict: %s", error.errors()[0]["msg"])
        return None
