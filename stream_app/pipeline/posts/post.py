"""The normalised post: what every network's post is turned into, and the parse step's output type."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from stream_app.pipeline.posts.moment import Moment

Network = Literal["x", "bluesky", "mastodon", "other"]
PostKind = Literal["original", "repost", "quote", "reply"]


class Frozen(BaseModel):
    """An immutable value; unknown fields are ignored so that producers may add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class OtherPlace(Frozen):
    """What the name of a place in a text may mean instead; degrees, WGS 84."""

    name: str
    country_code: str | None = Field(None, description="ISO 3166-1 alpha-2")
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    confidence: float = Field(ge=0, le=1)


PlaceSource = Literal["point", "place", "coordinates", "gazetteer"]
"""The network's point, the network's place, a position written in the text, a name in the text."""


class Place(Frozen):
    """Where a post speaks from or of. ``latitude`` and ``longitude`` in degrees, WGS 84."""

    name: str | None = None
    country_code: str | None = Field(None, description="ISO 3166-1 alpha-2")
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    source: PlaceSource
    reach_km: float | None = Field(
        None, gt=0, description="of a coarse place, a country or state: how far it reaches from its middle; else null"
    )
    confidence: float | None = Field(
        None, ge=0, le=1, description="how clearly a text speaks of this place; null where the network says it"
    )
    alternatives: tuple[OtherPlace, ...] = Field((), description="what a name in the text may mean instead")


class MediaLink(Frozen):
    """An image a post points at, not yet fetched."""

    url: str
    alt_text: str | None = None


AuthorKind = Literal["official", "media", "aid_group", "eyewitness"]


class Author(Frozen):
    """What is known of the author; counts are None where the network does not say."""

    key: str | None = Field(None, description="first 16 hex digits of SHA-256 of 'network:author id'")
    followers: int | None = Field(None, ge=0)
    friends: int | None = Field(None, ge=0)
    statuses: int | None = Field(None, ge=0)
    verified: bool | None = None
    created_at: Moment | None = None
    kind: AuthorKind | None = Field(None, description="where the profile or the text says so, else null")


class Post(Frozen):
    """One social-media post, whatever network it came from.

    A repost carries the text, media and author facts of its root and the root's id in ``root_id``, so that it can be
    recognised and labelled once. ``root_id == id`` for every other kind.
    """

    network: Network
    id: str = Field(min_length=1)
    root_id: str = Field(min_length=1)
    kind: PostKind = "original"
    url: str | None = None
    text: str = ""
    language: str | None = Field(None, description="BCP 47 primary subtag, as given by the network or detected")
    created_at: Moment
    place: Place | None = None
    author: Author = Author()
    media: tuple[MediaLink, ...] = ()
    links: int = Field(0, ge=0)
    mentions: int = Field(0, ge=0)
    hashtags: tuple[str, ...] = ()
    sensitive: bool = Field(False, description="its author or network says that not everybody wants to see its photos")
    favourites: int | None = Field(None, ge=0)
    reposts: int | None = Field(None, ge=0)
    edited: str | None = Field(
        None, description="token of this version, so that an edit has an event of its own; None for the first version"
    )
    edit_of: str | None = Field(
        None, description="id of the version before, where the network gives each version an id of its own (X)"
    )
    local_id: str | None = Field(
        None, description="id on the server it was read from, by which Mastodon's stream says that it was deleted"
    )
    degraded: tuple[str, ...] = Field((), description="what the post has that could not be read, a sentence each")


class Withdrawal(Frozen):
    """A post, or all posts of an author, that may not be shown any more: exactly one of ``id`` and ``author_key``.

    ``id`` is what :attr:`Post.id` was, ``author_key`` what :attr:`Author.key` was.
    """

    network: Network
    id: str | None = None
    author_key: str | None = None
    keyed: bool = Field(False, description="the author key is as events have it, made with posts.author_salt")
    reason: str = Field(description="deleted, withheld in DE, author gone, ...")
    at: Moment | None = Field(None, description="when, as the network says")
    place_only: bool = Field(False, description="only where the author was has to go (X's scrub_geo)")
