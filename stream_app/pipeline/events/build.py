"""A labelled post becomes an event. Pure: the worker and the ``label`` command share it.

An event is written as JSON from plain data: to validate what this module has just made would take longer than to make
it. What the events of duplicates have in common is JSON already, and is remembered in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from model.scorer import Concept, ConceptScore, ModelInfo, Scored
from stream_app.pipeline.events.event import Event, Model, event_id
from stream_app.pipeline.media.outcome import MediaOutcome, Status
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Post

_SHOWN_DAMAGE = ("mild_damage", "severe_damage")
_QUIET = ("not_informative", "not_humanitarian")
_SIDES = {"text": "text", "image": "photo"}


class Labelling(NamedTuple):
    """What labelling found for one post, without its images: small enough to be remembered and shared.

    ``event_of`` is the id of the post that was labelled, ``media`` what became of its images; ``shared`` is the part of
    its event, as JSON, that the events of its duplicates have too.
    """

    event_of: str
    labels: Mapping[Concept, ConceptScore]
    media: tuple[Status, ...]
    degraded_reasons: tuple[str, ...]
    shared: bytes
    model: Model


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


@dataclass(slots=True)
class LabelledBy:
    """The event's model entry, made once per model."""

    info: ModelInfo
    entry: Model = field(init=False)

    def __post_init__(self) -> None:
        self.entry = Model(name=self.info.name, version=self.info.version, hash=self.info.hash)


def describe(
    post: Post, outcomes: Sequence[MediaOutcome], scored: Scored, model: Model, *, unsure_below: float = 0.6
) -> Labelling:
    """Join labels, explanation and image outcomes; the images themselves are left behind."""
    labels, degraded = scored.labels, degraded_reasons(outcomes)
    review = review_reasons(labels, scored.alone, unsure_below)
    shared = {
        "media": [_media(outcome) for outcome in outcomes],
        "labels": labels,
        "modalities": scored.explanation,
        "degraded": bool(degraded),
        "degraded_reasons": degraded,
        "review": bool(review),
        "review_reasons": review,
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
    }
    media = tuple(outcome.status for outcome in outcomes)
    return Labelling(post.id, labels, media, degraded, orjson.dumps(shared, default=dict)[1:-1], model)


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


def degraded_reasons(outcomes: Sequence[MediaOutcome]) -> tuple[str, ...]:
    """Why images the post has were not used; empty when all were, or when the surplus over the limit was skipped."""
    some_used = any(outcome.status == "used" for outcome in outcomes)
    missed = [o for o in outcomes if o.status != "used" and not (o.status == "skipped" and some_used)]
    return tuple(f"image {o.status}: {o.reason or 'no reason given'} ({o.url:.200})" for o in missed)


def review_reasons(
    labels: Mapping[Concept, ConceptScore], alone: Mapping[str, Mapping[Concept, ConceptScore]], unsure_below: float
) -> tuple[str, ...]:
    """Why a person should look: text and photo disagree, or no label is sure (from ``unsure_below``); else empty.

    They disagree where each ``alone`` is sure of another humanitarian category, and where the photo shows damage
    (likelier than not, judged from photos only) on a post called uninformative or not humanitarian.
    """
    reasons = []
    sides = [(side, alone[side]["humanitarian"]) for side in ("text", "image") if side in alone]
    if len({one.label for _, one in sides}) == 2 and all((one.probability or 0.0) >= unsure_below for _, one in sides):
        reasons.append("; ".join(f"{_SIDES[side]} alone: {_said(one)}" for side, one in sides))
    damage, quiet = labels["damage"], [score for score in labels.values() if score.label in _QUIET]
    if quiet and damage.label in _SHOWN_DAMAGE and (damage.probability or 0.0) > 0.5:
        reasons.append(f"photo: {_said(damage)}; post: {_said(quiet[0])}")
    if (
        max([score.probability or 0.0 for score in labels.values() if score.label is not None], default=0)
        < unsure_below
    ):
        reasons.append(f"no label is {unsure_below:.2f} likely")
    return tuple(reasons)


def _said(score: ConceptScore) -> str:
    return f"{(score.label or 'nothing').replace('_', ' ')} ({score.probability or 0.0:.2f})"


def _media(outcome: MediaOutcome) -> Fields:
    return {
        "url": outcome.url,
        "status": outcome.status,
        "reason": outcome.reason,
        "content_type": outcome.content_type,
        "size_bytes": outcome.size_bytes,
        "width": outcome.width,
        "height": outcome.height,
        "sha256": outcome.sha256,
        "perceptual_hash": outcome.perceptual_hash,
        "elapsed_ms": round(outcome.elapsed_ms, 3),
    }


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
