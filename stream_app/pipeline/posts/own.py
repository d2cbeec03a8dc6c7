"""Our own format: a :class:`~stream_app.pipeline.posts.post.Post` as JSON, for feeds of networks not known here."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import ValidationError

from stream_app.pipeline.posts.author_kind import profile_kind
from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    count,
    country,
    flag,
    hashtags,
    identifier,
    mapping,
    media_link,
    moment,
    position,
    required_id,
    required_time,
    string,
    web_address,
)
from stream_app.pipeline.posts.language import network_language
from stream_app.pipeline.posts.post import AuthorKind, Network, PostKind, Withdrawal

_NAME = "normalised post"
_KINDS = frozenset(get_args(PostKind))
_NETWORKS = frozenset(get_args(Network))
_AS_GIVEN = ("text", "edited", "edit_of", "local_id", "degraded")
_GONE = frozenset({"__deleted", "__op", "deleted", "deleted_at"})
_CALLED = {**{name: name for name in _NETWORKS}, "twitter": "x", "bsky": "bluesky", "fediverse": "mastodon"}
"""Networks by the names that people give them."""
_KEY = re.compile(r"[0-9a-f]{16}")


def read(value: Fields) -> Fields | Withdrawal:
    """The fields of a Post as given; what may be left out and is malformed is unknown. ``root_id`` is ``id`` if absent.

    An author key that is not 16 hex digits is taken for a raw id and hashed: raw ids never travel on. With ``deleted``
    (true, or a time) and no text it takes the post back.

    Raises:
        PostError: the id or time is missing.
    """
    if "withdrawn" in value:
        return _withdrawal(value)
    post_id = required_id(value.get("id"), "id", _NAME)
    network = value.get("network")
    network = _CALLED.get(network.lower(), network) if isinstance(network, str) else network
    if not _GONE.isdisjoint(value) and network in _NETWORKS and _gone(value):
        when = moment(value.get("deleted_at")) or moment(value.get("deleted"))
        return Withdrawal(network=network, id=post_id, reason="deleted", at=when)
    author = value.get("author")
    author = author if isinstance(author, dict) else {"key": named} if (named := identifier(author)) else {}
    key = author.get("key")
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key)):
        author = {**author, "key": author_key(str(network), key)}
    kind = value.get("kind")
    tags = value.get("hashtags")
    given = {name: value[name] for name in _AS_GIVEN if value.get(name) is not None}
    if author:
        given["author"] = _author(author)
    return {
        **given,
        "network": network,
        "id": post_id,
        "root_id": identifier(value.get("root_id")) or post_id,
        "kind": kind if kind in _KINDS else "original",
        "url": web_address(value.get("url")),
        "created_at": required_time(moment(value.get("created_at")), "created_at", _NAME),
        "language": network_language(value.get("language")),
        "place": _place(value["place"]) if value.get("place") else None,
        "media": _media(value["media"]) if value.get("media") else (),
        "links": count(value.get("links")) or 0,
        "mentions": count(value.get("mentions")) or 0,
        "hashtags": hashtags(tags if isinstance(tags, list) else [tags]) if tags else (),
        "sensitive": value.get("sensitive") is True,
        "favourites": count(value.get("favourites")),
        "reposts": count(value.get("reposts")),
    }


def _gone(value: Fields) -> bool:
    """Whether it says that it was deleted: by Debezium's unwrapping, or for want of a text."""
    if value.get("__deleted") in (True, "true") or value.get("__op") == "d":
        return True
    return bool(value.get("deleted") or value.get("deleted_at")) and not value.get("text")


def _withdrawal(value: Fields) -> Withdrawal:
    """``withdrawn`` is the reason; beside it stands one of ``id``, ``author.key`` and ``author_key``.

    ``author_key`` is the key as events have it; ``author.key`` is the network's id of the author, or what a Post has.
    """
    post_id, as_events = identifier(value.get("id")), string(value.get("author_key"))
    raw = identifier(mapping(value.get("author")).get("key"))
    if sum(each is not None for each in (post_id, as_events, raw)) != 1:
        raise PostError("withdrawal: one of id, author.key and author_key must be given.")
    if raw is not None and not _KEY.fullmatch(raw):
        raw = author_key(str(value.get("network")), raw)
    try:
        return Withdrawal(
            network=value["network"],
            id=post_id,
            author_key=as_events or raw,
            keyed=as_events is not None,
            reason=string(value.get("withdrawn")) or "withdrawn",
            at=moment(value.get("at")),
            place_only=value.get("place_only") is True,
        )
    except ValidationError as error:
        raise PostError(f"withdrawal: {error.errors()[0]['loc'][0]} is wrong: {error.errors()[0]['msg']}.") from None


def _author(author: Fields) -> Fields:
    return {
        "key": author.get("key"),
        "followers": count(author.get("followers")),
        "friends": count(author.get("friends")),
        "statuses": count(author.get("statuses")),
        "verified": flag(author.get("verified")),
        "created_at": moment(author.get("created_at")),
        "kind": author.get("kind")
        if author.get("kind") in get_args(AuthorKind)
        else profile_kind(author.get("name"), author.get("username"), author.get("description")),
    }


def _place(place: Any) -> Fields | None:
    """The place, or its name, without what is wrong in it; without ``source`` a position is a point."""
    place = {"name": place} if isinstance(place, str) else mapping(place)
    longitude, latitude = _degrees(place.get("longitude")), _degrees(place.get("latitude"))
    found = position(longitude, latitude) if longitude is not None and latitude is not None else None
    name, code = string(place.get("name")), country(place.get("country_code"))
    if not (found or name or code):
        return None
    source = place.get("source")
    known = source if source in ("point", "place", "coordinates", "gazetteer") else "point" if found else "place"
    return {**(found or {}), "name": name, "country_code": code, "source": known}


def _degrees(value: object) -> float | None:
    if type(value) is str and len(value) < 32:
        try:
            value = float(value)
        except ValueError:
            return None
    return value if type(value) in (int, float) else None  # type: ignore[return-value]


def _media(media: object) -> list[Fields]:
    """Links as objects or as plain addresses, one or a list of them."""
    found = []
    for row in media if isinstance(media, list) else [media]:
        if isinstance(row, dict):
            found += media_link(row.get("url"), row.get("alt_text"))
        else:
            found += media_link(row)
    return found
