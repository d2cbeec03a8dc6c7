"""Bluesky: one event of Jetstream, the JSON form of the AT Protocol's firehose."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import quote

from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    count,
    hashtags,
    mapping,
    media_link,
    moment,
    required_id,
    required_time,
    rows,
    string,
)
from stream_app.pipeline.posts.language import network_language

_NAME = "Bluesky Jetstream commit"
_POST, _REPOST = "app.bsky.feed.post", "app.bsky.feed.repost"


def read(event: Fields) -> Fields:
    """The fields of a Post from a commit that creates or updates a post or a repost.

    A repost's record holds the root's address and nothing else, so its text is empty.

    Raises:
        NotAPost: another kind of event, a deletion, or a record that is not a post (a like, a follow).
        PostError: the author, the record or its time is missing.
    """
    commit = mapping(event.get("commit"))
    if event.get("kind", "commit") != "commit" or not commit:
        raise NotAPost(f"Bluesky Jetstream: an event of kind {event.get('kind')!r:.40} is not a post.")
    collection, operation = commit.get("collection"), commit.get("operation")
    if collection not in (_POST, _REPOST) or operation == "delete":
        raise NotAPost(f"{_NAME}: {operation!r:.40} in {collection!r:.80} is not a post.")
    did = required_id(event.get("did"), "did", _NAME)
    key = required_id(commit.get("rkey"), "commit.rkey", _NAME)
    record = commit.get("record")
    if not isinstance(record, dict):
        raise PostError(f"{_NAME}: commit.record is missing or is not an object.")
    post_id = f"at://{did}/{collection}/{key}"
    common = {
        "network": "bluesky",
        "id": post_id,
        "created_at": required_time(_time(record, event), "commit.record.createdAt", _NAME),
        "author": {"key": author_key("bluesky", did)},
    }
    return common | (_repost(record) if collection == _REPOST else _post(record, did, key, post_id))


def _time(record: Fields, event: Fields) -> datetime | None:
    """The earlier of the author's clock, which may say anything, and Jetstream's ``time_us``."""
    claimed = moment(record.get("createdAt"))
    seen_us = count(event.get("time_us"))
    seen = datetime.fromtimestamp(seen_us / 1e6, UTC) if seen_us and seen_us < 2.5e17 else None
    return min(claimed, seen) if claimed and seen else claimed or seen


def _repost(record: Fields) -> Fields:
    root = required_id(mapping(record.get("subject")).get("uri"), "commit.record.subject.uri", _NAME)
    return {"kind": "repost", "root_id": root, "author": {}}


def _post(record: Fields, did: str, key: str, post_id: str) -> Fields:
    text = record.get("text")
    if not isinstance(text, str):
        raise PostError(f"{_NAME}: commit.record.text is missing or is not a string.")
    embed = mapping(record.get("embed"))
    features = [feature for facet in rows(record.get("facets")) for feature in rows(facet.get("features"))]
    kinds = [(string(feature.get("$type")) or "").partition("#")[2] for feature in features]
    tags = record.get("tags")
    inline = [feature.get("tag") for feature, kind in zip(features, kinds, strict=True) if kind == "tag"]
    languages = record.get("langs")
    external = mapping(_media_embed(embed).get("external"))
    linked = {
        feature.get("uri")
        for feature, kind in zip(features, kinds, strict=True)
        if kind == "link" and isinstance(feature.get("uri"), str)
    }
    return {
        "root_id": post_id,
        "kind": "quote" if mapping(embed.get("record")) else "reply" if mapping(record.get("reply")) else "original",
        "url": f"https://bsky.app/profile/{did}/post/{key}",
        "text": text,
        "language": network_language(languages[0] if isinstance(languages, list) and languages else None),
        "media": _media(_media_embed(embed), did),
        "links": len(linked | ({external["uri"]} if isinstance(external.get("uri"), str) else set())),
        "mentions": kinds.count("mention"),
        "hashtags": hashtags(inline + (tags if isinstance(tags, list) else [])),
    }


def _media_embed(embed: Fields) -> Fields:
    """The part of an embed that holds media: ``recordWithMedia`` wraps it beside the quoted post."""
    return mapping(embed.get("media")) or embed


def _media(embed: Fields, did: str) -> list[Fields]:
    """The photos, a video's still, or the thumbnail of a link card, as Bluesky's own CDN serves them."""
    found = [
        link for row in rows(embed.get("images")) for link in media_link(_image(row.get("image"), did), row.get("alt"))
    ]
    if (video := _cid(embed.get("video"))) is not None:
        still = f"https://video.bsky.app/watch/{quote(did, safe='')}/{video}/thumbnail.jpg"
        found += media_link(still, embed.get("alt"))
    return found + media_link(_image(mapping(embed.get("external")).get("thumb"), did))


def _image(blob: object, did: str) -> str | None:
    cid = _cid(blob)
    return f"https://cdn.bsky.app/img/feed_fullsize/plain/{did}/{cid}@jpeg" if cid else None


def _cid(blob: object) -> str | None:
    """A blob's content id, in today's form (``ref.$link``) or the first one (``cid``); letters and digits only."""
    found = string(mapping(mapping(blob).get("ref")).get("$link")) or string(mapping(blob).get("cid"))
    return found if found and found.isascii() and found.isalnum() else None
