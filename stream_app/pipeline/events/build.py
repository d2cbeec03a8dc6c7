"""A labelled post becomes an event. Pure: the worker and the ``label`` command share it.

An event is written as JSON from plain data: to validate what this module has just made would take longer than to make
it. What the events of duplicates have in common is JSON already, and is remembered in one piece.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from stream_app.pipeline.events.event import Event, event_id
from stream_app.pipeline.labelling.describe import Labelling
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Post


class Spent(NamedTuple):
    """Milliseconds a post spent per step."""

    media_ms: float = 0.0
    queue_ms: float = 0.0
    model_ms: float = 0.0
    total_ms: float = 0.0


class DuplicateInfo(NamedTuple):
    """``of``: id of the post whose labels are shared, None for the post that was labelled; ``seen``: copies so far."""

    of: str | None = None
    seen: int = 0


class Made(NamedTuple):
    """An event on its way out: ``value`` is its JSON, the rest is what Kafka and CloudEvents want to know of it."""

    id: str
    key: str
    subject: str
    time: str
    value: bytes


def make_event(post: Post, labelling: Labelling, spent: Spent, duplicate: DuplicateInfo) -> Made:
    """The event of one post as JSON; a duplicate has the labels, media and model of the post it repeats."""
    name, time = event_id(post.network, post.id, labelling.model.version), datetime.now(UTC).isoformat()[:-6] + "Z"
    timings = {
        "media_ms": round(spent.media_ms, 3),
        "queue_ms": round(spent.queue_ms, 3),
        "model_ms": round(spent.model_ms, 3),
        "total_ms": round(spent.total_ms, 3),
        "produced_at": time,
    }
    own = orjson.dumps({"id": name, "post": _event_post(post)}, option=orjson.OPT_UTC_Z)
    rest = orjson.dumps({"duplicate_of": duplicate.of, "duplicates_seen": duplicate.seen, "timings": timings})
    value = b"%b,%b,%b" % (own[:-1], labelling.shared, rest[1:])
    return Made(name, post.root_id, f"{post.network}/{post.id}", time, value)


def build_event(
    post: Post, labelling: Labelling, *, spent: Spent | None = None, duplicate: DuplicateInfo | None = None
) -> Event:
    """The event of one post, as whoever reads :func:`make_event`'s JSON has it."""
    made = make_event(post, labelling, spent or Spent(), duplicate or DuplicateInfo())
    return Event.model_validate_json(made.value)


def _event_post(post: Post) -> Fields:
    return {
        "network": post.network,
        "id": post.id,
        "root_id": post.root_id,
        "url": post.url,
        "text": post.text,
        "language": post.language,
        "created_at": post.created_at,
        "kind": post.kind,
        "place": dict(post.place) if post.place else None,
        "author_key": post.author.key,
    }
