"""The sighting: what incidents need of an event, kept small because every post of an open incident is in memory."""

from __future__ import annotations

import re

from pydantic import Field

from stream_app.incidents.lives import lives
from stream_app.pipeline.events.event import Event, Label
from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import AuthorKind, Frozen, Network, Place
from stream_app.pipeline.posts.reported import facts_in
from stream_app.settings import IncidentSettings

_TEXT_KEPT = 500
_HASH = re.compile(r"[0-9a-f]{1,16}")
_DAMAGED = {"mild_damage": 0.3, "severe_damage": 0.6}
_GRAVITY = {
    "affected_individuals": 0.75,
    "infrastructure_and_utility_damage": 0.5,
    "rescue_volunteering_or_donation_effort": 0.3,
    "other_relevant_information": 0.1,
}
"""How grave a category is by itself, 0 to 1: a convention of this program, not a measurement. People before things."""
GRAVEST_FIRST = tuple(_GRAVITY)
"""The categories, people first."""
_ASKED = 0.85


class Photo(Frozen):
    """A used image: its address and 64-bit perceptual hash in hex, where one was taken."""

    url: str
    hash: str | None = None


class Sighting(Frozen):
    """One post of an incident. ``post`` and ``root`` carry the network, as ``network:id``."""

    post: str
    root: str
    network: Network
    event_id: str
    is_repost: bool
    category: str
    probability: float = Field(description="of the category")
    damage: str | None = None
    severity: float = Field(description="0 to 1, from the damage and humanitarian probabilities")
    text: str
    url: str | None = None
    written_at: Moment = Field(description="the post's own time, never later than its labelling")
    arrived_at: Moment = Field(description="when it was labelled: a clock that no post can set")
    place: Place | None = None
    author: str | None = None
    author_kind: AuthorKind | None = None
    photos: tuple[Photo, ...] = ()


def sighting_of(event: Event, rules: IncidentSettings) -> Sighting | None:
    """What ``event`` says of an incident; None when it is neither informative and humanitarian nor shows damage."""
    category = _category(event, rules)
    if category is None:
        return None
    post, human = event.post, event.labels.humanitarian
    located = post.place is not None and post.place.latitude is not None and post.place.longitude is not None
    return Sighting(
        post=f"{post.network}:{post.id}",
        root=f"{post.network}:{post.root_id}",
        network=post.network,
        event_id=event.id,
        is_repost=post.root_id != post.id,
        category=category,
        probability=human.probabilities.get(category, 0.0),
        damage=event.labels.damage.label,
        severity=max(severity_of(human, event.labels.damage), _asked(event), lives(event.facts or facts_in(post.text))),
        text=post.text[:_TEXT_KEPT],
        url=post.url,
        written_at=min(post.created_at, event.timings.produced_at),
        arrived_at=event.timings.produced_at,
        place=post.place if located else None,
        author=post.author_key,
        author_kind=post.author_kind,
        photos=tuple(Photo(url=m.url, hash=_hash(m.perceptual_hash)) for m in event.media if m.status == "used"),
    )


def _hash(said: str | None) -> str | None:
    """A perceptual hash, and None of what somebody else may have put there, which is like no other photo's."""
    return said if said and _HASH.fullmatch(said) else None


def severity_of(humanitarian: Label, damage: Label) -> float:
    """Severity of one post, 0 to 1: the greater of the damage its photo shows and the gravity of what its text says.

    Damage counts as its expectation with mild = 0.3 and severe = 0.6; each category as its probability times its
    gravity.
    """
    seen = sum(weight * damage.probabilities.get(label, 0.0) for label, weight in _DAMAGED.items())
    said = max(weight * humanitarian.probabilities.get(label, 0.0) for label, weight in _GRAVITY.items())
    return min(1.0, max(seen, said))


def _asked(event: Event) -> float:
    """How grave a plea for help is; nothing where an older model labelled, which knew no requests."""
    return _ASKED * event.labels.request.probabilities.get("request", 0.0)


def _category(event: Event, rules: IncidentSettings) -> str | None:
    human, damage = event.labels.humanitarian, event.labels.damage
    informative = event.labels.informativeness.label == "informative"
    if informative and human.label in _GRAVITY and (human.probability or 0.0) >= rules.min_probability:
        return human.label
    if damage.label in _DAMAGED and (damage.probability or 0.0) >= rules.min_probability:
        return "infrastructure_and_utility_damage"
    return None
