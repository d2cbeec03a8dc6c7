"""A labelled post becomes an event. Pure: the worker and the ``label`` command share it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from model.scorer import Concept, ConceptScore, ModelInfo, Scored
from stream_app.events.event import (
    Event,
    EventMedia,
    EventPost,
    Label,
    Labels,
    Modalities,
    Model,
    Timings,
    event_id,
)
from stream_app.media.outcome import MediaOutcome
from stream_app.posts.post import Post

_SHOWN_DAMAGE = ("mild_damage", "severe_damage")
_QUIET = ("not_informative", "not_humanitarian")
_SIDES = {"text": "text", "image": "photo"}


@dataclass(frozen=True, slots=True)
class Labelling:
    """What labelling found for one post, without its images: small enough to be remembered and shared.

    ``event_of`` is the id of the post that was labelled.
    """

    event_of: str
    labels: Labels
    modalities: Modalities
    media: tuple[EventMedia, ...]
    degraded_reasons: tuple[str, ...]
    review_reasons: tuple[str, ...]
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
    concepts = scored.labels
    labels = Labels(
        informativeness=_label(concepts["informativeness"]),
        humanitarian=_label(concepts["humanitarian"]),
        damage=_label(concepts["damage"]),
    )
    why = scored.explanation
    return Labelling(
        event_of=post.id,
        labels=labels,
        modalities=Modalities(used=why.used, attention=dict(why.attention), pairs=dict(why.pairs)),
        media=tuple(_media(outcome) for outcome in outcomes),
        degraded_reasons=degraded_reasons(outcomes),
        review_reasons=review_reasons(labels, scored.alone, unsure_below),
        model=model,
    )


def build_event(
    post: Post, labelling: Labelling, *, spent: Spent | None = None, duplicate: DuplicateInfo | None = None
) -> Event:
    """The event of one post; a duplicate carries the labels, media and model of the post it repeats."""
    spent, duplicate = spent or Spent(), duplicate or DuplicateInfo()
    return Event(
        id=event_id(post.network, post.id, labelling.model.version),
        post=_event_post(post),
        media=labelling.media,
        labels=labelling.labels,
        modalities=labelling.modalities,
        degraded=bool(labelling.degraded_reasons),
        degraded_reasons=labelling.degraded_reasons,
        review=bool(labelling.review_reasons),
        review_reasons=labelling.review_reasons,
        duplicate_of=duplicate.of,
        duplicates_seen=duplicate.seen,
        model=labelling.model,
        timings=Timings(
            media_ms=round(spent.media_ms, 3),
            queue_ms=round(spent.queue_ms, 3),
            model_ms=round(spent.model_ms, 3),
            total_ms=round(spent.total_ms, 3),
            produced_at=datetime.now(UTC),
        ),
    )


def degraded_reasons(outcomes: Sequence[MediaOutcome]) -> tuple[str, ...]:
    """Why images the post has were not used; empty when all were, or when the surplus over the limit was skipped."""
    some_used = any(outcome.status == "used" for outcome in outcomes)
    missed = [o for o in outcomes if o.status != "used" and not (o.status == "skipped" and some_used)]
    return tuple(f"image {o.status}: {o.reason or 'no reason given'} ({o.url:.200})" for o in missed)


def review_reasons(
    labels: Labels, alone: Mapping[str, Mapping[Concept, ConceptScore]], unsure_below: float
) -> tuple[str, ...]:
    """Why a person should look: text and photo disagree, or no label is sure (from ``unsure_below``); else empty.

    They disagree where each ``alone`` is sure of another humanitarian category, and where the photo shows damage
    (likelier than not, judged from photos only) on a post called uninformative or not humanitarian.
    """
    reasons = []
    sides = [(side, alone[side]["humanitarian"]) for side in ("text", "image") if side in alone]
    if len({one.label for _, one in sides}) == 2 and all((one.probability or 0.0) >= unsure_below for _, one in sides):
        reasons.append("; ".join(f"{_SIDES[side]} alone: {_said(one.label, one.probability)}" for side, one in sides))
    damage, humanitarian = labels.damage, labels.humanitarian
    quiet = next((each for each in (labels.informativeness, humanitarian) if each.label in _QUIET), None)
    if quiet and damage.label in _SHOWN_DAMAGE and (damage.probability or 0.0) > 0.5:
        reasons.append(
            f"photo: {_said(damage.label, damage.probability)}; post: {_said(quiet.label, quiet.probability)}"
        )
    given = [label.probability for label in (labels.informativeness, humanitarian, damage) if label.label is not None]
    if all((probability or 0.0) < unsure_below for probability in given):
        reasons.append(f"no label is {unsure_below:.2f} likely")
    return tuple(reasons)


def _said(label: str | None, probability: float | None) -> str:
    return f"{(label or 'nothing').replace('_', ' ')} ({probability or 0.0:.2f})"


def _label(score: ConceptScore) -> Label:
    return Label(
        label=score.label,
        probability=score.probability,
        probabilities=dict(score.probabilities),
        reason=score.reason,
    )


def _media(outcome: MediaOutcome) -> EventMedia:
    return EventMedia(
        url=outcome.url,
        status=outcome.status,
        reason=outcome.reason,
        content_type=outcome.content_type,
        size_bytes=outcome.size_bytes,
        width=outcome.width,
        height=outcome.height,
        sha256=outcome.sha256,
        perceptual_hash=outcome.perceptual_hash,
        elapsed_ms=round(outcome.elapsed_ms, 3),
    )


def _event_post(post: Post) -> EventPost:
    return EventPost(
        network=post.network,
        id=post.id,
        root_id=post.root_id,
        url=post.url,
        text=post.text,
        language=post.language,
        created_at=post.created_at,
        kind=post.kind,
        place=post.place,
        author_key=post.author.key,
    )
