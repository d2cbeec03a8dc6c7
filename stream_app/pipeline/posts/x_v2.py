"""X API v2: one line of a stream, a post in ``data`` and what it refers to in ``includes``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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

_NAME = "X API v2 line"
_TABLES = (("tweets", "id"), ("users", "id"), ("media", "media_key"), ("places", "id"), ("polls", "id"))
_KINDS = {"retweeted": "repost", "quoted": "quote", "replied_to": "reply"}


def read(line: Fields) -> Fields:
    """The fields of a Post from a v2 line; a retweet whose root is in ``includes.tweets`` carries the root's facts.

    Raises:
        PostError: the id, text or time is missing.
    """
    data, includes = mapping(line["data"]), mapping(line.get("includes"))
    post_id = required_id(data.get("id"), "data.id", _NAME)
    kind, root_id = _kind(data)
    root = _find(includes.get("tweets"), "id", root_id) if kind == "repost" else None
    body = root or data
    note = mapping(body.get("note_tweet"))
    text = string(note.get("text")) or body.get("text")
    if not isinstance(text, str):
        raise PostError(f"{_NAME}: data.text is missing or is not a string.")
    if kind == "repost" and root is None:
        text = without_retweet_prefix(text)
    entities = mapping(note.get("entities")) or mapping(body.get("entities"))
    metrics = mapping(body.get("public_metrics"))
    created_at = moment(data.get("created_at")) or snowflake_time(post_id)
    return {
        "network": "x",
        "id": post_id,
        "root_id": root_id if kind == "repost" else post_id,
        "kind": kind,
        "url": url(post_id),
        "text": "\n\n".join(part for part in (unescape(text), _choices(body, includes)) if part),
        "language": network_language(body.get("lang")),
        "created_at": required_time(created_at, "data.created_at", _NAME),
        "place": _place(mapping(body.get("geo")), includes),
        "author": _author(body.get("author_id"), includes),
        "media": _media(body, includes) or _media(data, includes),
        "links": links(entities.get("urls")),
        "mentions": len(rows(entities.get("mentions"))),
        "hashtags": hashtags(row.get("tag") for row in rows(entities.get("hashtags"))),
        "sensitive": body.get("possibly_sensitive") is True,
        "favourites": count(metrics.get("like_count")),
        "reposts": count(metrics.get("retweet_count")),
        **versions(post_id, data.get("edit_history_tweet_ids")),
    }


def posts_of_page(page: Fields) -> Iterator[Fields]:
    """Each post of a page (``data`` is a list) as a line of its own, with what it refers to out of ``includes``."""
    includes = mapping(page.get("includes"))
    tables: dict[str, dict[str | None, Fields]] = {
        name: {key: row for row in rows(includes.get(name)) if (key := identifier(row.get(field))) is not None}
        for name, field in (
            ("tweets", "id"),
            ("users", "id"),
            ("media", "media_key"),
            ("places", "id"),
            ("polls", "id"),
        )
    }
    for data in page["data"]:
        yield {"data": data, "includes": _referred(data, tables)} if isinstance(data, dict) else {"data": data}


def _referred(data: Fields, tables: dict[str, dict[str | None, Fields]]) -> Fields:
    """Rows of ``includes`` that a post refers to, itself or by the posts it repeats, quotes or answers."""
    tweets = _rows_of(tables["tweets"], [row.get("id") for row in rows(data.get("referenced_tweets"))])
    posts = [data, *tweets]
    keys, polls = _attached(posts, "media_keys"), _attached(posts, "poll_ids")
    return {
        "tweets": tweets,
        "users": _rows_of(tables["users"], [post.get("author_id") for post in posts]),
        "media": _rows_of(tables["media"], keys),
        "polls": _rows_of(tables["polls"], polls),
        "places": _rows_of(tables["places"], [mapping(post.get("geo")).get("place_id") for post in posts]),
    }


def _rows_of(table: Mapping[str | None, Fields], wanted: list[object]) -> list[Fields]:
    return [table[key] for key in dict.fromkeys(map(identifier, wanted)) if key in table]


def _attached(posts: list[Fields], name: str) -> list[object]:
    """The ids of what posts have attached."""
    found = (mapping(post.get("attachments")).get(name) for post in posts)
    return [key for each in found if isinstance(each, list) for key in each]


def _find(table: object, field: str, wanted: object) -> Fields | None:
    name = identifier(wanted)
    if name is None:
        return None
    return next((row for row in rows(table) if identifier(row.get(field)) == name), None)


def _kind(data: Fields) -> tuple[str, str | None]:
    """The kind and the id referred to; a retweet outranks a quote, a quote outranks a reply."""
    references = {
        row.get("type"): row.get("id")
        for row in reversed(rows(data.get("referenced_tweets")))
        if isinstance(row.get("type"), str)
    }
    for reference, kind in _KINDS.items():
        if (found := identifier(references.get(reference))) is not None:
            return kind, found
    return "original", None


def _author(author_id: object, includes: Fields) -> Fields:
    user = _find(includes.get("users"), "id", author_id) or {}
    metrics = mapping(user.get("public_metrics"))
    return {
        "key": author_key("x", author_id),
        "followers": count(metrics.get("followers_count")),
        "friends": count(metrics.get("following_count")),
        "statuses": count(metrics.get("tweet_count")),
        "verified": flag(user.get("verified")),
        "created_at": moment(user.get("created_at")),
        "kind": x_user_kind(user),
    }


def _media(body: Fields, includes: Fields) -> list[Fields]:
    """A photo's address, or the preview image of a video or animation, in the post's own order."""
    keys = mapping(body.get("attachments")).get("media_keys")
    if not isinstance(keys, list):
        return []
    table = {key: row for row in rows(includes.get("media")) if isinstance(key := row.get("media_key"), str)}
    found = [table[key] for key in keys if isinstance(key, str) and key in table]
    return [
        link
        for row in found
        for link in media_link(row.get("url") or row.get("preview_image_url"), row.get("alt_text"))
    ]


def _choices(body: Fields, includes: Fields) -> str:
    """The options of a poll, a line each."""
    wanted = {identifier(each) for each in _attached([body], "poll_ids")}
    polls = [row for row in rows(includes.get("polls")) if identifier(row.get("id")) in wanted] if wanted else []
    labels = (string(option.get("label")) for poll in polls for option in rows(poll.get("options")))
    return "\n".join(f"- {label}" for label in labels if label)


def _place(geo: Fields, includes: Fields) -> Fields | None:
    if not geo:
        return None
    longitude_latitude = numbers(mapping(geo.get("coordinates")).get("coordinates"), 2)
    named = _find(includes.get("places"), "id", geo.get("place_id")) or {}
    box = numbers(mapping(named.get("geo")).get("bbox"), 4)
    return place(position(*longitude_latitude) if longitude_latitude else None, named, box)
