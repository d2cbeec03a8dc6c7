"""The Faust application that keeps incidents: labelled events in, incidents out, its memory in a Kafka changelog.

Two agents. The first reads events on as many workers as you like and passes what matters on to a topic of one
partition; the second groups, on the one worker that holds that partition, because any two posts may belong together.
Every post's assignment is one table entry, so a crash between two writes can neither lose a post nor count it twice.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import faust
from pydantic import TypeAdapter, ValidationError

from stream_app.feedback.tables import keep_counts
from stream_app.incidents.clock import StreamClock
from stream_app.incidents.emerge import keep_emerging
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.health import Health
from stream_app.incidents.incident import INCIDENT_TYPE, Incident
from stream_app.incidents.sighting import Sighting
from stream_app.incidents.taken import Losses, Taken, read_event
from stream_app.kafka.clients import codec
from stream_app.kafka.cloud_event import cloud_event
from stream_app.kafka.inside_faust import App, CommittedTransport, OnePartitionTable, credentials
from stream_app.kafka.topics import written_by_us
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.moment import in_utc
from stream_app.pipeline.posts.post import Frozen
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_SESSION_S = 8.0
_HEARTBEAT_S = 2.0
_MEASURE_S = 5.0
_AHEAD = timedelta(hours=1)
"""What Kafka allows a clock, too."""
_TABLE = "every post of an incident in memory, and which incident it is in; and what was taken from them"
_LOST, _BARRED = b"\0lost:", b"\0gone:"
"""Keys of the table that are no posts: what an incident has lost, and when a name was taken."""
_SIFTED: TypeAdapter[Sighting | Taken] = TypeAdapter(Sighting | Taken)


class Assigned(Frozen):
    """A table entry: the post and the incident it was put into."""

    incident: str
    sighting: Sighting


def build_app(settings: Settings, health: Health | None = None) -> faust.App:
    """Make the application; nothing runs and nothing connects before it is started. ``health`` is told how it does."""
    rules, health = settings.incidents, health or Health()
    app = App(
        f"{settings.topics.prefix}{rules.app_id}",
        broker=[f"aiokafka://{server}" for server in settings.kafka.bootstrap_servers.split(",")],
        broker_credentials=credentials(settings.kafka),
        consumer_metadata_max_age_ms=int(settings.kafka.metadata_max_age_s * 1000),
        producer_metadata_max_age_ms=int(settings.kafka.metadata_max_age_s * 1000),
        producer_compression_type=codec(settings.kafka),
        broker_session_timeout=_SESSION_S,
        broker_heartbeat_interval=_HEARTBEAT_S,
        store="memory://",
        topic_disable_leader=True,
        topic_partitions=settings.kafka.partitions,
        topic_replication_factor=settings.kafka.replication_factor,
        table_standby_replicas=0,
        consumer_auto_offset_reset="earliest",
        web_enabled=False,
        Table=OnePartitionTable,
    )
    app.client_rack, app.own_topics = settings.kafka.client_rack, written_by_us(settings.kafka)
    app.transport = CommittedTransport(app.conf.broker_consumer, app, loop=app.loop)
    raw: dict[str, Any] = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    events = app.topic(settings.topics.events, **raw)
    sightings = app.topic(f"{app.conf.id}-sightings", partitions=1, internal=True, retention=24 * 3600, **raw)
    table = app.Table("posts", partitions=1, key_type=bytes, value_type=bytes, help=_TABLE)
    keep_counts(app, settings)
    keeper = _Keeper(settings, table, app.topic(settings.topics.incidents, **raw), health)
    keeper.run_in(app, sightings)
    tell = keep_emerging(app, settings, keeper.covers)
    _Sifter(settings, sightings, health, tell).run_in(app, events)
    health.watch(app)
    return app


def not_ahead(event: Event, now: datetime) -> Event:
    """An event whose clock was over an hour ahead is of ``now``: else all that is kept would be long past at once."""
    if event.timings.produced_at <= now + _AHEAD:
        return event
    return event.model_copy(update={"timings": event.timings.model_copy(update={"produced_at": now})})


class _Sifter:
    """Passes on what incidents need; an event that cannot be read is logged, counted and skipped."""

    def __init__(
        self, settings: Settings, sightings: Any, health: Health, tell: Callable[[Event], Awaitable[None]]
    ) -> None:
        self._tell = tell
        self._rules, self._events, self._health = settings.incidents, settings.topics.events, health
        self._sightings = sightings
        self.skipped = 0

    def run_in(self, app: faust.App, events: Any) -> None:
        app.agent(events, name="sift", concurrency=1)(self.sift)

        async def measure() -> None:
            consumer = app.consumer
            mine = [each for each in consumer.assignment() if each.topic == self._events]
            ends = {each: consumer.highwater(each) for each in mine}
            self._health.lag(
                {each.partition: max(end - await consumer.position(each), 0) for each, end in ends.items() if end}
            )

        app.timer(_MEASURE_S)(measure)

    async def sift(self, stream: AsyncIterator[bytes]) -> None:
        """Passes on what incidents need of each event."""
        async for value in stream:
            try:
                event = not_ahead(Event.model_validate_json(value or b""), datetime.now(UTC))
                found = read_event(event, self._rules)
            except Exception as error:  # noqa: BLE001 - one odd event must not stop the others
                self.skipped += 1
                self._health.events.labels("skipped").inc()
                said = _reason(error) if isinstance(error, ValidationError) else repr(error)
                logger.warning("skipped an event that cannot be read (%d so far): %s", self.skipped, said)
                continue
            self._health.events.labels("other" if found is None else type(found).__name__.lower()).inc()
            if found is not None:
                key = found.root if isinstance(found, Sighting) else found.post or found.author or ""
                await self._sightings.send(key=key.encode(), value=found.model_dump_json().encode())
            await self._tell(event)


class _Keeper:
    """Groups, remembers each assignment in the table and publishes what changed."""

    def __init__(self, settings: Settings, table: Any, incidents: Any, health: Health) -> None:
        self._settings, self._health = settings, health
        self._table = table
        self._incidents = incidents
        self._grouping = Grouping(settings.incidents)
        self._clock = StreamClock()

    def run_in(self, app: faust.App, sightings: Any) -> None:
        app.agent(sightings, name="keep", concurrency=1)(self.keep)
        app.timer(self._settings.incidents.publish_every_s)(self.publish)
        app.on_partitions_revoked.connect(self.let_go, weak=False)
        self._table.on_recover(self.recover)
        self._health.posts.set_function(lambda: len(self._grouping))

    def covers(self, post: str) -> bool:
        """Whether a post (``network:id``) is in an incident that is published."""
        return self._grouping.covers(post)

    async def let_go(self, *_: Any, **__: Any) -> None:
        """Another worker may keep the incidents now."""
        self._grouping = Grouping(self._settings.incidents)

    async def recover(self) -> None:
        """Rebuild the incidents from the table; all are published again, the same versions as before."""
        self._grouping = Grouping(self._settings.incidents)
        kept: list[Assigned] = []
        for key, value in self._table.items():
            try:
                self._recall(key, value, kept)
            except ValueError as error:
                self._health.failures.inc()
                logger.warning("left out an entry of the table that cannot be read: %s", error)
        for entry in sorted(kept, key=lambda entry: (entry.sighting.arrived_at, entry.sighting.post)):
            try:
                self._grouping.restore(entry.incident, entry.sighting)
            except Exception:
                self._health.failures.inc()
                logger.exception("left out the post %s", entry.sighting.post)
            self._clock.observe(entry.sighting.arrived_at)

    def _recall(self, key: bytes, value: bytes, kept: list[Assigned]) -> None:
        if key.startswith(_LOST):
            losses = Losses.model_validate_json(value)
            self._grouping.restore_losses(losses)
            self._clock.observe(losses.at)
        elif key.startswith(_BARRED):
            when = in_utc(datetime.fromisoformat(value.decode()))
            self._grouping.barred.note(key.removeprefix(_BARRED).decode(), when)
        else:
            kept.append(Assigned.model_validate_json(value))

    async def keep(self, stream: AsyncIterator[bytes]) -> None:
        """Groups posts into incidents, and takes from them what was withdrawn or edited."""
        async for value in stream:
            try:
                found = _SIFTED.validate_json(value or b"")
            except ValidationError as error:
                logger.warning("skipped a sighting that cannot be read: %s", _reason(error))
                continue
            try:
                self._take(found) if isinstance(found, Taken) else self._add(found)
            except Exception:  # one odd post must not stop the others, again after each restart
                self._health.failures.inc()
                logger.exception("left out the post %s", found.post)

    def _add(self, sighting: Sighting) -> None:
        self._clock.observe(sighting.arrived_at)
        incident = self._grouping.add(sighting)
        if incident is not None:
            self._assign(incident, sighting)

    def _take(self, taken: Taken) -> None:
        """What incidents lost is written before posts go, so that no crash between makes a version fall."""
        self._clock.observe(taken.taken_at)
        change = self._grouping.take(taken)
        for name in change.barred:
            self._table[_BARRED + name.encode()] = taken.taken_at.isoformat().encode()
        for losses in change.losses:
            self._table[_LOST + losses.incident.encode()] = losses.model_dump_json().encode()
        for incident, sighting in change.put:
            self._assign(incident, sighting)
        for post in change.gone:
            self._table.pop(post.encode(), None)

    def _assign(self, incident: str, sighting: Sighting) -> None:
        entry = Assigned(incident=incident, sighting=sighting)
        self._table[sighting.post.encode()] = entry.model_dump_json().encode()

    async def publish(self) -> None:
        now = self._clock.now()
        self._health.looked()
        if now is None:
            return
        for incident in self._grouping.changed(now):
            await self._send(incident)
        forgotten = self._grouping.forget(now)
        for incident in forgotten.last:
            await self._send(incident)
        posts = [post.encode() for post in forgotten.posts]
        lost = [_LOST + incident.encode() for incident in forgotten.incidents]
        for key in (*posts, *lost, *(_BARRED + name.encode() for name in forgotten.barred)):
            self._table.pop(key, None)

    async def _send(self, incident: Incident) -> None:
        self._health.updates.inc()
        await self._incidents.send(
            key=incident.id.encode(),
            value=incident.model_dump_json().encode(),
            headers=_headers(incident),
        )


def _reason(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'value'}: {first['msg']}"


def _headers(incident: Incident) -> dict[str, bytes]:
    return dict(
        cloud_event(
            name=f"{incident.id}.{incident.version}",
            source="incidents",
            kind=INCIDENT_TYPE,
            subject=incident.id,
            time=incident.updated_at,
        )
    )
