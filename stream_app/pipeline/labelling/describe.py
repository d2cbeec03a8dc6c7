"""What labelling found for one post: labels, how sure, why, and what a person should look at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import orjson

from model.scorer import CONCEPTS, Concept, ConceptScore, ModelInfo, Scored
from stream_app.pipeline.media.outcome import MediaOutcome, Status
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Post
from stream_app.pipeline.posts.reported import NO_FACTS, facts_in

_SHOWN_DAMAGE = ("mild_damage", "severe_damage")
_POSSIBLE_REQUEST = 0.2
"""From here on a post that is called no request is shown to a person all the same."""
_QUIET = ("not_informative", "not_humanitarian")
_NO_FACTS = dict(NO_FACTS)
_NOTHING = frozenset({*_QUIET, "little_or_no_damage", "no_request", None})
_SIDES = {"text": "text", "image": "photo"}


class Labelling(NamedTuple):
    """What labelling found for one post, without its images: small enough to be remembered and shared.

    ``event_of`` is the id of the post that was labelled, ``labels`` are by concept, in the order of ``CONCEPTS``,
    ``media`` what became of its images; ``shared`` is the part of its event, as JSON, that the events of its duplicates
    have too. ``quiet``: see :func:`is_quiet`.
    """

    event_of: str
    labels: tuple[str | None, ...]
    media: tuple[Status, ...]
    degraded_reasons: tuple[str, ...]
    shared: bytes
    model: ModelInfo
    quiet: bool = False


def describe(
    post: Post,
    outcomes: Sequence[MediaOutcome],
    scored: Scored,
    model: ModelInfo,
    *,
    unsure_below: float = 0.6,
    told: Callable[[Post], Post] | None = None,
) -> Labelling:
    """Join labels, explanation and image outcomes; the images themselves are left behind.

    ``told`` finds the place of a post that is not quiet, for how its telephone numbers are read.
    """
    labels, degraded = scored.labels, (*post.degraded, *degraded_reasons(outcomes))
    review = (*review_reasons(labels, scored.alone, unsure_below), *unlearned_language(post, model))
    quiet = is_quiet(labels, review)
    shared = {
        "media": [_media(outcome) for outcome in outcomes],
        "labels": {concept: _label(score) for concept, score in labels.items()},
        "modalities": scored.explanation,
        "facts": None if quiet else _facts(told(post) if told else post),
        "degraded": bool(degraded),
        "degraded_reasons": degraded,
        "review": bool(review),
        "review_reasons": review,
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
    }
    media = tuple(outcome.status for outcome in outcomes)
    said = tuple([labels[concept].label if concept in labels else None for concept in CONCEPTS])
    return Labelling(post.id, said, media, degraded, orjson.dumps(shared, default=dict)[1:-1], model, quiet)


def _label(score: ConceptScore) -> Fields:
    """As orjson would write it, which takes twice as long to find the fields of an object with slots."""
    return {
        "label": score.label,
        "probability": score.probability,
        "probabilities": score.probabilities,
        "reason": score.reason,
    }


def is_quiet(labels: Mapping[Concept, ConceptScore], review: Sequence[str]) -> bool:
    """Whether every label says that there is nothing, and nothing is for a person to look at.

    Of such a post nobody asks what its text tells: no incident, alert or notice is made of it. So it is not read for
    places, facts and eyewitnesses, which costs more than all else about an event together.
    """
    return not review and _NOTHING.issuperset([score.label for score in labels.values()])


UNSEEN_ROOT = "a repost without its root's text and photos, and the root was not seen here: nothing to label"


def unlabelled(post: Post, model: ModelInfo, reason: str = UNSEEN_ROOT) -> Labelling:
    """No labels for a post that gives the model nothing to go by: each is null with the reason; not for review."""
    labels: dict[Concept, ConceptScore] = {concept: ConceptScore(None, None, {}, reason) for concept in CONCEPTS}
    shared: Fields = {
        "media": [],
        "labels": labels,
        "modalities": {"used": [], "attention": {}, "pairs": {}},
        "facts": None,
        "degraded": bool(post.degraded),
        "degraded_reasons": post.degraded,
        "review": False,
        "review_reasons": [],
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
    }
    said = (None,) * len(CONCEPTS)
    return Labelling(post.id, said, (), post.degraded, orjson.dumps(shared, default=dict)[1:-1], model)


def degraded_reasons(outcomes: Sequence[MediaOutcome]) -> tuple[str, ...]:
    """Why images the post has were not used, or not whole; empty when all were, or when only a surplus was skipped."""
    if not outcomes:
        return ()
    some_used = any(outcome.status == "used" for outcome in outcomes)
    missed = [o for o in outcomes if o.status != "used" and not (o.status == "skipped" and some_used)]
    flawed = [outcome for outcome in outcomes if outcome.status == "used" and outcome.reason]
    return (
        *(f"image {o.status}: {o.reason or 'no reason given'} ({o.url:.200})" for o in missed),
        *(f"{o.reason} ({o.url:.200})" for o in flawed),
    )


def review_reasons(
    labels: Mapping[Concept, ConceptScore], alone: Mapping[str, Mapping[Concept, ConceptScore]], unsure_below: float
) -> tuple[str, ...]:
    """Why a person should look: text and photo disagree, or no label is sure (from ``unsure_below``); else empty.

    They disagree where each ``alone`` is sure of another humanitarian category, and where the photo shows damage
    (likelier than not, judged from photos only) on a post called uninformative or not humanitarian. A missed cry for
    help is the worst error: one that is possible, though not likely, is for a person to see.
    """
    reasons = []
    sides = [(side, alone[side]["humanitarian"]) for side in ("text", "image") if side in alone]
    if len({one.label for _, one in sides}) == 2 and all((one.probability or 0.0) >= unsure_below for _, one in sides):
        reasons.append("; ".join(f"{_SIDES[side]} alone: {_said(one)}" for side, one in sides))
    damage, quiet = labels["damage"], [score for score in labels.values() if score.label in _QUIET]
    if quiet and damage.label in _SHOWN_DAMAGE and (damage.probability or 0.0) > 0.5:
        reasons.append(f"photo: {_said(damage)}; post: {_said(quiet[0])}")
    if (
        max([score.probability or 0.0 for c, score in labels.items() if c != "request" and score.label], default=0)
        < unsure_below
    ):
        reasons.append(f"no label is {unsure_below:.2f} likely")
    elif labels["humanitarian"].label and (labels["humanitarian"].probability or 0.0) < unsure_below:
        reasons.append(f"unsure of the category: {_said(labels['humanitarian'])}")
    asks = labels["request"].probabilities.get("request", 0.0) if "request" in labels else 0.0
    if asks >= _POSSIBLE_REQUEST and (labels["request"].label != "request" or labels["humanitarian"].label in _QUIET):
        reasons.append(f"it may ask for help ({asks:.2f})")
    return tuple(reasons)


def unlearned_language(post: Post, model: ModelInfo) -> tuple[str, ...]:
    """Why a person should look at a text in a language that the model says it did not learn; else empty.

    What it answers there it knows from other languages, and it is as sure of it as of the rest.
    """
    if not (post.text and post.language and model.languages) or post.language in model.languages:
        return ()
    return (f"the model learned no posts in this language ({post.language})",)


def _facts(post: Post) -> Fields:
    country = post.place.country_code if post.place else None
    facts = facts_in(post.text, country=country, language=post.language)
    return _NO_FACTS if facts is NO_FACTS else dict(facts)


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
