"""A labelled post becomes an event. Pure: the worker and the ``label`` command share it.

The worker publishes an event as plain data: validating what this module has just made took longer than making it. The
tests hold the plain data equal to what :class:`~stream_app.events.event.Event` makes of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from model.scorer import Concept, ConceptScore, ModelInfo, Scored
from stream_app.events.event import Event, Model, event_id
from stream_app.media.outcome import MediaOutcome
from stream_app.posts.facts import Fields
from stream_app.posts.post import Post

_SHOWN_DAMAGE = ("mild_damage", "severe_damage")
_QUIET = ("not_informative", "not_humanitarian")
_SIDES = {"text": "text", "image": "photo"}


@dataclass(frozen=True, slots=True)
class Labelling:
    """What labelling found for one post, without its images: small enough to be remembered and shared.

    ``event_of`` is the id of the post that was labelled; ``shared`` are the fields of its event that are those of its
    duplicates' events too.
    """

    event_of: str
    labels: Mapping[Concept, ConceptScore]
    degraded_reasons: tuple[str, ...]
    shared: Fields
    model: Model


@dataclass(frozen=True, slots=True)
class Spent:
    """Milliseconds a post spent per step."""

    media_ms: float = 0.0
    queue_ms: float = 0.0
    model_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class DuplicateInfo:
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
    labels, why, degraded = scored.labels, scored.explanation, degraded_reasons(outcomes)
    review = review_reasons(labels, scored.alone, unsure_below)
    shared = {
        "media": [_media(outcome) for outcome in outcomes],
        "labels": {concept: _label(score) for concept, score in labels.items()},
        "modalities": {"used": why.used, "attention": dict(why.attention), "pairs": dict(why.pairs)},
        "degraded": bool(degraded),
        "degraded_reasons": degraded,
        "review": bool(review),
        "review_reasons": review,
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
    }
    return Labelling(post.id, labels, degraded, shared, model)


def event_fields(
    post: Post, labelling: Labelling, *, spent: Spent | None = None, duplicate: DuplicateInfo | None = None
) -> Fields:
    """The event of one post as plain data; a duplicate has the labels, media and model of the post it repeats."""
    spent, duplicate = spent or Spent(), duplicate or DuplicateInfo()
    return {
        "id": event_id(post.network, post.id, labelling.model.version),
        "post": _event_post(post),
        **labelling.shared,
        "duplicate_of": duplicate.of,
        "duplicates_seen": duplicate.seen,
        "timings": {
            "media_ms": round(spent.media_ms, 3),
            "queue_ms": round(spent.queue_ms, 3),
            "model_ms": round(spent.model_ms, 3),
            "total_ms": round(spent.total_ms, 3),
            "produced_at": datetime.now(UTC).isoformat().removesuffix("+00:00") + "Z",
        },
    }


def build_event(
    post: Post, labelling: Labelling, *, spent: Spent | None = None, duplicate: DuplicateInfo | None = None
) -> Event:
    """The event of one post; see :func:`event_fields`."""
    return Event.model_validate(event_fields(post, labelling, spent=spent, duplicate=duplicate))


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
    damage = labels["damage"]
    quiet = next((labels[c] for c in ("informativeness", "humanitarian") if labels[c].label in _QUIET), None)
    if quiet and damage.label in _SHOWN_DAMAGE and (damage.probability or 0.0) > 0.5:
        reasons.append(f"photo: {_said(damage)}; post: {_said(quiet)}")
    if (
        max((score.probability or 0.0 for score in labels.values() if score.label is not None), default=0)
        < unsure_below
    ):
        reasons.append(f"no label is {unsure_below:.2f} likely")
    return tuple(reasons)


def _said(score: ConceptScore) -> str:
    return f"{(score.label or 'nothing').replace('_', ' ')} ({score.probability or 0.0:.2f})"


def _label(score: ConceptScore) -> Fields:
    return {
        "label": score.label,
        "probability": score.probability,
        "probabilities": dict(score.probabilities),
        "reason": score.reason,
    }


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
        "place": post.place,
        "author_key": post.author.key,
    }
