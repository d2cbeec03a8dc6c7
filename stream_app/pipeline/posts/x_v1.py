"""X (Twitter) API v1.1: a status as the streaming and enterprise APIs gave it, and as archives hold it."""

from __future__ import annotations

from stream_app.pipeline.posts.author_kind import x_user_kind
from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    count,
    flag,
    hashtags,
    identifier,
    mapping,
    media_link,
    moment,
    numbers,
    position,
    required_id,
    required_time,
    rows,
    string,
)
from stream_app.pipeline.posts.language import network_language
from stream_app.pipeline.posts.x import links, place, snowflake_time, unescape, url, versions, without_retweet_prefix

_NAME = "X v1.1 status"

CONTROL = frozenset({"limit", "disconnect", "warning", "friends", "friends_str"})
"""Keys that mark a line of a stream as a notice, not a status."""


def read(status: Fields, name: str = _NAME) -> Fields:
    """The fields of a Post from a status; a retweet carries the facts of its ``retweeted_status``.

    Raises:
        PostError: the id, text or time is missing.
    """
    post_id = required_id(status.get("id_str") or status.get("id"), "id_str", name)
    root = mapping(status.get("retweeted_status"))
    body = root or status
    # A personal archive and tables of posts tell a retweet by its first words only.
    repeats = bool(root) or status.get("retweet_of_unknown") is True or ("user" not in status and _retweets(status))
    kind = "repost" if repeats else _kind(status)
    root_id = required_id(root.get("id_str") or root.get("id"), "retweeted_status.id_str", name) if root else post_id
    full = mapping(body.get("extended_tweet"))
    text = string(full.get("full_text")) or string(body.get("full_text")) or body.get("text")
    entities = mapping(full.get("entities")) or mapping(body.get("entities"))
    media = _media(body, full, entities)
    if text is None and media:
        text = ""
    if not isinstance(text, str):
        raise PostError(f"{name}: none of full_text, extended_tweet.full_text and text is a string.")
    created_at = moment(status.get("created_at")) or snowflake_time(post_id) or moment(status.get("timestamp_ms"))
    return {
        "network": "x",
        "id": post_id,
        "root_id": root_id,
        "kind": kind,
        "url": url(post_id),
        "text": unescape(without_retweet_prefix(text) if repeats else text),
        "language": network_language(body.get("lang")),
        "created_at": required_time(created_at, "created_at", name),
        "place": _place(body),
        "author": _author(mapping(body.get("user"))),
        "media": media,
        "links": links(entities.get("urls")),
        "mentions": len(rows(entities.get("user_mentions"))),
        "hashtags": hashtags(row.get("text") for row in rows(entities.get("hashtags"))),
        "sensitive": body.get("possibly_sensitive") is True,
        "favourites": count(body.get("favorite_count")),
        "reposts": count(body.get("retweet_count")),
        **versions(post_id, _history(status)),
    }


def _history(status: Fields) -> object:
    """The ids of all versions, as the API gives them, or a personal archive."""
    archived = mapping(mapping(mapping(status.get("edit_info")).get("edit")).get("editControlInitial"))
    return mapping(status.get("edit_history")).get("edit_tweet_ids") or archived.get("editTweetIds")


def _retweets(status: Fields) -> bool:
    text = status.get("full_text") or status.get("text")
    return isinstance(text, str) and without_retweet_prefix(text) is not text


def id_of(status: Fields) -> str:
    """The id of a status.

    Raises:
        PostError: it has none.
    """
    return required_id(status.get("id_str") or status.get("id"), "id_str", _NAME)


def _kind(status: Fields) -> str:
    if status.get("is_quote_status") is True or mapping(status.get("quoted_status")):
        return "quote"
    answered = status.get("in_reply_to_status_id_str") or status.get("in_reply_to_status_id")
    return "reply" if identifier(answered) is not None else "original"


def _author(user: Fields) -> Fields:
    return {
        "key": author_key("x", user.get("id_str") or user.get("id")),
        "followers": count(user.get("followers_count")),
        "friends": count(user.get("friends_count")),
        "statuses": count(user.get("statuses_count")),
        "verified": flag(user.get("verified")),
        "created_at": moment(user.get("created_at")),
        "kind": x_user_kind(user),
    }


def _media(body: Fields, full: Fields, entities: Fields) -> list[Fields]:
    """All photos (a video's or animation's still): ``entities`` alone would hold the first only."""
    extended = mapping(full.get("extended_entities")) or mapping(body.get("extended_entities")) or entities
    found = rows(extended.get("media"))
    return [
        link
        for row in found
        for link in media_link(row.get("media_url_https") or row.get("media_url"), row.get("ext_alt_text"))
    ]


def _place(body: Fields) -> Fields | None:
    """``coordinates`` is longitude first, the older ``geo`` is latitude first; ``place`` has a box of four corners."""
    named = mapping(body.get("place"))
    point = None
    if (pair := numbers(mapping(body.get("coordinates")).get("coordinates"), 2)) is not None:
        point = position(pair[0], pair[1])
    elif (pair := numbers(mapping(body.get("geo")).get("coordinates"), 2)) is not None:
        point = position(pair[1], pair[0])
    if point is None and not named:
        return None
    return place(point, named, _box(mapping(named.get("bounding_box")).get("coordinates")))


def _box(rings: object) -> tuple[float, ...] | None:
    ring = rings[0] if isinstance(rings, list) and rings else None
    corners = [numbers(corner, 2) for corner in ring] if isinstance(ring, list) else []
    known = [corner for corner in corners if corner is not None]
    if not known:
        return None
    longitudes, latitudes = [corner[0] for corner in known], [corner[1] for corner in known]
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)
