"""The event: what subscribers read. The labelling step's output becomes one of these per post."""

from __future__ import annotations

import hashlib

from pydantic import Field

from stream_app.pipeline.media.outcome import Status
from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import AuthorKind, Frozen, Network, Place, PostKind
from stream_app.pipeline.posts.reported import Facts

EVENT_TYPE = "io.crisis-stream.post.labelled.v1"
WITHDRAWN_TYPE = "io.crisis-stream.post.withdrawn.v1"


def event_id(network: str, post_id: str, model_version: str, edited: str | None = None) -> str:
    """Stable id of (network, post id, model version), and of the version of an edited post.

    A redelivered post has the id it had before. 32 hex digits: the first half of SHA-256 over all, NUL between.
    """
    name = f"{network}\0{post_id}\0{model_version}"
    if edited is not None:
        name = f"{name}\0{edited}"
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:32]


class EventPost(Frozen):
    """The post as labelled."""

    network: Network
    id: str
    root_id: str
    url: str | None = None
    text: str
    language: str | None = None
    created_at: Moment
    kind: PostKind
    place: Place | None = Field(
        None, description="the network's, else what the text names; a text whose labels all say nothing is not searched"
    )
    author_key: str | None = None
    author_kind: AuthorKind | None = Field(
        None,
        description="official, media, aid_group, eyewitness where profile or words say so; else null",
    )
    edited: str | None = Field(None, description="token of this version; null for the first one")
    local_id: str | None = Field(
        None, description="of Mastodon: id on the server it was read from, by which that server's stream deletes it"
    )
    sensitive: bool = Field(False, description="its author or network says that not everybody wants to see its photos")


class EventMedia(Frozen):
    """One image and the outcome of its fetch."""

    url: str
    status: Status
    reason: str | None = None
    content_type: str | None = None
    size_bytes: int | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    perceptual_hash: str | None = None
    elapsed_ms: float = 0.0


class Label(Frozen):
    """One concept's label with its calibrated probability; null with a reason where it does not apply."""

    label: str | None
    probability: float | None = Field(None, ge=0, le=1)
    probabilities: dict[str, float] = {}
    reason: str | None = None


class Labels(Frozen):
    """What every post is labelled with; ``request``: does it ask for help for people in need?"""

    informativeness: Label
    humanitarian: Label
    damage: Label
    request: Label = Label(label=None, reason="labelled before requests for help were told apart")


class Modalities(Frozen):
    """The explanation: modalities used, attention of each (eq. 1), weight per pair (eq. 5), e.g. ``text+image``."""

    used: tuple[str, ...]
    attention: dict[str, float] = {}
    pairs: dict[str, float] = {}


class Model(Frozen):
    """The model that labelled the post."""

    name: str
    version: str
    hash: str


class Timings(Frozen):
    """Milliseconds spent per step, and when the event was made."""

    media_ms: float = 0.0
    queue_ms: float = 0.0
    model_ms: float = 0.0
    total_ms: float = 0.0
    produced_at: Moment


class Withdrawn(Frozen):
    """Why and how much: with ``whole_author`` every post of the author goes, with ``place_only`` only the place."""

    reason: str = Field(description="deleted, edited, withheld in DE, author gone, ...")
    at: Moment | None = Field(None, description="when, as the network says")
    events: tuple[str, ...] = Field((), description="ids of all events of this post that the worker knows of")
    edited_to: str | None = Field(None, description="id of the event of the next version: then the post itself stays")
    whole_author: bool = False
    place_only: bool = False


class Event(Frozen):
    """A labelled post. Travels as the data of a CloudEvent 1.0 whose id is ``id``.

    With ``withdrawn`` it is the end of one: the event of this id may not be shown any more. It has then the shape of
    an event without text, labels or media, so that a reader that knows of no withdrawals finds nothing in it.
    """

    id: str
    post: EventPost
    media: tuple[EventMedia, ...] = ()
    labels: Labels
    modalities: Modalities
    facts: Facts | None = Field(None, description="what the text counts and names; null where nobody looked")
    degraded: bool = False
    degraded_reasons: tuple[str, ...] = ()
    review: bool = Field(False, description="text and image disagree, or no label is sure: worth a human look")
    review_reasons: tuple[str, ...] = Field((), description="why it is worth a look, a sentence each; empty if not")
    duplicate_of: str | None = Field(None, description="id of the post whose labels this repost or duplicate shares")
    duplicates_seen: int = Field(0, ge=0, description="reposts and duplicates of the root seen so far by this replica")
    supersedes: str | None = Field(None, description="id of the event of the version before, where the post was edited")
    withdrawn: Withdrawn | None = Field(None, description="null, unless this takes an event back")
    model: Model
    timings: Timings
