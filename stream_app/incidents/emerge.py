"""Keeps bursts within the application that keeps incidents: glimpses of events in, ``crisis.emerging`` out.

The posts of the window and the past are entries of one Faust table, the photos ever seen of another: after a crash the
counts are made anew from them. They have one partition, as the incidents' own, so they lie with the worker that keeps
the incidents and can be asked whether a post is in one.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import faust
from pydantic import TypeAdapter, ValidationError

from stream_app.incidents.bursts import Bursts, Covered, PhotosSeen
from stream_app.incidents.clock import StreamClock
from stream_app.incidents.emerging import EMERGING_TYPE, Emerging, Glimpse, Gone, Seen, glimpse_of
from stream_app.kafka.cloud_event import cloud_event
from stream_app.pipeline.events.event import Event
from stream_app.settings import Settings

logger = logging.getLogger(__name__)

_GLIMPSED: TypeAdapter[Glimpse | Gone] = TypeAdapter(Glimpse | Gone)


def keep_emerging(app: faust.App, settings: Settings, covered: Covered) -> Callable[[Event], Awaitable[None]]:
    """Give ``app`` the agent, tables and timer; what it returns is to be told of every event read."""
    raw = {"key_type": bytes, "value_type": bytes, "key_serializer": "raw", "value_serializer": "raw"}
    table = {"partitions": 1, "key_type": bytes, "value_type": bytes}
    glimpses = app.topic(f"{app.conf.id}-glimpses", partitions=1, internal=True, retention=24 * 3600, **raw)
    keeper = _Keeper(
        settings,
        app.Table("glimpses", help="posts of the last hours, for what bursts", **table),
        app.Table("photos_seen", help="when and where each photo was first seen", **table),
        app.topic(settings.topics.emerging, **raw),
        covered,
    )
    app.agent(glimpses, name="glimpse", concurrency=1)(keeper.take)
    app.timer(settings.emerging.publish_every_s)(keeper.publish)
    app.on_partitions_revoked.connect(keeper.let_go, weak=False)
    keeper.glimpses.on_recover(keeper.recover)
    keeper.photos.on_recover(keeper.recover_photos)

    async def tell(event: Event) -> None:
        glimpse = glimpse_of(event)
        if glimpse is not None:
            await glimpses.send(key=(glimpse.post or "").encode(), value=glimpse.model_dump_json().encode())

    return tell


class _Keeper:
    """Remembers glimpses in the tables, and publishes what bursts."""

    def __init__(self, settings: Settings, glimpses: Any, photos: Any, emerging: Any, covered: Covered) -> None:
        self._rules = settings.emerging
        self.glimpses, self.photos = glimpses, photos
        self._emerging, self._covered = emerging, covered
        self._bursts, self._seen, self._clock = Bursts(self._rules), PhotosSeen(self._rules), StreamClock()

    async def let_go(self, *_: Any, **__: Any) -> None:
        """Another worker may keep them now."""
        self._bursts, self._seen, self._clock = Bursts(self._rules), PhotosSeen(self._rules), StreamClock()

    async def recover(self) -> None:
        """Count anew from the table."""
        self._bursts = Bursts(self._rules)
        kept = [glimpse for _, glimpse in self.glimpses.read_as(Glimpse)]
        for glimpse in sorted(kept, key=lambda each: (each.at, each.post)):
            self._bursts.add(glimpse)
            self._clock.observe(glimpse.at)

    async def recover_photos(self) -> None:
        """Remember the photos of the table."""
        self._seen = PhotosSeen(self._rules)
        kept = [(key.decode(errors="replace"), seen) for key, seen in self.photos.read_as(Seen)]
        for photo, seen in sorted(kept, key=lambda each: each[1].at):
            self._seen.restore(photo, seen)

    async def take(self, stream: AsyncIterator[bytes]) -> None:
        """Counts posts."""
        async for value in stream:
            try:
                glimpse = _GLIMPSED.validate_json(value or b"")
            except ValidationError as error:
                logger.warning("skipped a glimpse that cannot be read: %s", error.errors()[0]["msg"])
                continue
            if isinstance(glimpse, Gone):
                for post in self._bursts.take(glimpse):
                    self.glimpses.pop(post.encode(), None)
                for photo in self._seen.take(glimpse):
                    self.photos.pop(photo.encode(), None)
                continue
            self._clock.observe(glimpse.at)
            self._bursts.add(glimpse)
            self.glimpses[glimpse.post.encode()] = value
            for photo in self._seen.see(glimpse):
                first = self._seen.first(photo)
                if first is not None:
                    self.photos[photo.encode()] = first.model_dump_json().encode()

    async def publish(self) -> None:
        """Writes what bursts now, and what does no more."""
        now = self._clock.now()
        if now is None:
            return
        for post in self._bursts.forget(now):
            self.glimpses.pop(post.encode(), None)
        for photo in self._seen.forget(now):
            self.photos.pop(photo.encode(), None)
        for each in self._bursts.changed(self._covered, self._seen.first):
            key, value = each.id.encode(), each.model_dump_json().encode()
            await self._emerging.send(key=key, value=value, headers=_headers(each))
            if each.status == "over":
                await self._emerging.send(key=key, value=None)  # the compacted topic may let it go


def _headers(emerging: Emerging) -> dict[str, bytes]:
    return dict(
        cloud_event(
            name=f"{emerging.id}.{emerging.at.isoformat()}.{emerging.posts}.{emerging.status}",
            source="incidents",
            kind=EMERGING_TYPE,
            subject=emerging.id,
            time=emerging.at,
        )
    )
