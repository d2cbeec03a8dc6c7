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
    withdraws: bool = False


def make_event(
    post: Post, labelling: Labelling, spent: Spent, duplicate: DuplicateInfo, before: str | None = None
) -> Made:
    """The event of one post as JSON; a duplicate has the labels, media and model of the post it repeats.

    ``before`` is the id of the event of the version before an edit, where it is known: else it is the first one's.
    """
    version, time = labelling.model.version, datetime.now(UTC).isoformat()[:-6] + "Z"
    name = event_id(post.network, post.id, version, post.edited)
    timings = {
        "media_ms": round(spent.media_ms, 3),
        "queue_ms": round(spent.queue_ms, 3),
        "model_ms": round(spent.model_ms, 3),
        "total_ms": round(spent.total_ms, 3),
        "produced_at": time,
    }
    own = orjson.dumps({"id": name, "post": _event_post(post)}, option=orjson.OPT_UTC_Z)
    first = first_version(post)
    again = {
        "duplicate_of": duplicate.of,
        "duplicates_seen": duplicate.seen,
        "supersedes": None if first is None else before or event_id(post.network, first, version),
        "withdrawn": None,
        "timings": timings,
    }
    rest = orjson.dumps(again)
    value = b"%b,%b,%b" % (own[:-1], labelling.shared, rest[1:])
    return Made(name, post.root_id, f"{post.network}/{post.id}", time, value)


def first_version(post: Post) -> str | None:
    """The id of the post whose event an edit takes the place of; None for a post that was not edited."""
    return post.edit_of if post.edit_of is not None else post.id if post.edited is not None else None


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
        "place": post.place.model_dump() if post.place else None,
        "author_key": post.author.key,
        "author_kind": post.author.kind,
        "edited": post.edited,
        "local_id": post.local_id,
        "sensitive": post.sensitive,
    }
