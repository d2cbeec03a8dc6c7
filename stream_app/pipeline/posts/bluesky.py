"""Bluesky: a commit of Jetstream, a post as the API shows it (postView, feedViewPost), or a flat record."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from urllib.parse import quote

from stream_app.pipeline.posts.author_kind import profile_kind
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    content_token,
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
from stream_app.pipeline.posts.post import Withdrawal

_NAME = "Bluesky Jetstream commit"
_VIEW = "Bluesky post"
_POST, _REPOST = "app.bsky.feed.post", "app.bsky.feed.repost"
_SENSITIVE = frozenset({"porn", "sexual", "nudity", "graphic-media", "gore", "!warn"})
"""Authors' labels that veil photos: https://docs.bsky.app/docs/advanced-guides/moderation"""
_FIRST_WORDS = {"c": "create", "u": "update", "d": "delete"}
"""How the first Jetstream named operations."""
_CREATED = ("createdAt", "created_at", "created", "timestamp", "date")
_TAG = re.compile(r"[A-Za-z]{2,3}")
_EMBEDS = frozenset({"images", "video", "external", "record", "recordWithMedia", "gallery"})


def read(event: Fields) -> Fields | Withdrawal:
    """What a Jetstream event says: a post or repost made or changed, or one deleted, or an account gone.

    A repost's record holds the root's address and nothing else, so its text is empty.

    Raises:
        NotAPost: another kind of event, or a record that is not a post (a like, a follow).
        PostError: the author, the record or its time is missing.
    """
    commit = mapping(event.get("commit"))
    if event.get("kind") == "account" or (not commit and "account" in event):
        return _account(event)
    if event.get("kind", "commit") != "commit" or not commit:
        if isinstance(event.get("text"), str) or _is_flat(event):
            return read_flat(event)
        kind = (string(event.get("$type")) or "").partition("#")[2]
        if kind == "tombstone" or (kind == "account" and event.get("active") is False):
            return _account(event | {"account": {"active": False, **event}})
        raise NotAPost(f"Bluesky Jetstream: an event of kind {event.get('kind')!r:.40} is not a post.")
    collection = commit.get("collection")
    operation = commit.get("operation") or _FIRST_WORDS.get(str(commit.get("type")))
    record = commit.get("record")
    if collection not in (_POST, _REPOST):
        if isinstance(record, dict) and (string(record.get("text")) or string(record.get("content"))):
            raise PostError(f"{_NAME}: {collection!r:.80} has a text and is a kind of record not known here.")
        raise NotAPost(f"{_NAME}: {operation!r:.40} in {collection!r:.80} is not a post.")
    did = required_id(event.get("did"), "did", _NAME)
    uri = f"at://{did}/{collection}/{required_id(commit.get('rkey'), 'commit.rkey', _NAME)}"
    if operation == "delete":
        return Withdrawal(network="bluesky", id=uri, reason="deleted", at=moment(event.get("time_us")))
    if not isinstance(record, dict):
        raise PostError(f"{_NAME}: commit.record is missing or is not an object.")
    fields = _record(record, uri, event.get("time_us"), _NAME)
    if operation == "update" and collection == _POST:
        fields["edited"] = content_token(fields)
    return fields


def _is_flat(event: Fields) -> bool:
    """Whether its address says that it is a post or a repost."""
    address = string(event.get("uri")) or string(event.get("at_uri")) or ""
    return address.startswith("at://") and (f"/{_POST}/" in address or f"/{_REPOST}/" in address)


def is_page(value: Fields) -> bool:
    """Whether it is a page of what is about a post (its quotes, likes, reposts), not the post."""
    return any(isinstance(value.get(name), list) for name in ("posts", "likes", "repostedBy"))


def read_op(op: Fields) -> Fields | Withdrawal:
    """What one operation of the firehose says, or one event of Tap: ``repo`` or ``did``, and a path or its parts.

    Raises:
        NotAPost: it is of a record that is no post.
        PostError: the author or the record is missing.
    """
    path = string(op.get("path")) or f"{op.get('collection')}/{op.get('rkey')}"
    collection, _, key = path.partition("/")
    commit = {
        "collection": collection,
        "rkey": key,
        "operation": op.get("action") or op.get("operation"),
        "record": op.get("record"),
    }
    return read(
        {"did": op.get("did") or op.get("repo"), "time_us": op.get("time_us") or op.get("time"), "commit": commit}
    )


def ops(event: Fields) -> list[Fields] | None:
    """The operations of a commit of the firehose in JSON, or of an event of Tap; None for anything else."""
    if event.get("type") == "record" and isinstance(event.get("record"), dict) and "did" in event["record"]:
        return [event["record"]]
    about = {"repo": event.get("repo"), "time": event.get("time")}
    if "repo" in event and isinstance(event.get("ops"), list):
        return [about | row for row in rows(event["ops"])]
    return [event] if "repo" in event and "path" in event else None


def posts_of_thread(thread: object) -> Iterator[Fields]:
    """Each post of a thread (getPostThread, and its second version), parents first."""
    if isinstance(thread, list):
        for item in rows(thread):
            yield from posts_of_thread(item.get("value"))
        return
    ahead = [mapping(thread)]
    while ahead:
        node = ahead.pop()
        if parent := mapping(node.get("parent")):
            ahead += [{name: each for name, each in node.items() if name != "parent"}, parent]
            continue
        if "post" in node:
            yield {"post": node["post"]}
        ahead += reversed(rows(node.get("replies")))


def _account(event: Fields) -> Withdrawal:
    """An account that was deleted, taken down, suspended or switched off takes its posts with it."""
    account = mapping(event.get("account"))
    if account.get("active") is not False:
        raise NotAPost("Bluesky Jetstream: an account event that takes nothing away.")
    did = required_id(event.get("did") or account.get("did"), "did", "Bluesky Jetstream account")
    status = string(account.get("status")) or "gone"
    when = moment(event.get("time_us")) or moment(account.get("time"))
    return Withdrawal(network="bluesky", author_key=author_key("bluesky", did), reason=f"author {status}", at=when)


def read_view(view: Fields) -> Fields:
    """The fields of a Post from what search, feeds and look-ups give: ``uri``, ``author``, ``record`` (or ``value``).

    Raises:
        PostError: the address, the text or the time is missing.
    """
    uri = required_id(view.get("uri") or view.get("at_uri"), "uri", _VIEW)
    if view.get("notFound") is True or view.get("blocked") is True:
        raise NotAPost(f"{_VIEW}: one that is gone or may not be seen.")
    record = mapping(view.get("record")) or mapping(view.get("value"))
    if not record:
        return read_flat(view)
    if not _is_flat(view) and uri.count("/") == 4 and not string(record.get("text")):
        raise NotAPost(f"{_VIEW}: a record of {uri.split('/')[3]:.60} is not a post.")
    shown = mapping(view.get("embed"))
    if "embed" not in record and shown:
        record = {**record, "embed": shown}
    fields = _record(record, uri, view.get("indexedAt"), _VIEW)
    if not fields.get("media") and shown:
        fields["media"] = list(_media(_media_embed(shown), uri.removeprefix("at://").partition("/")[0]))
    if any(row.get("val") in _SENSITIVE for row in rows(view.get("labels"))):
        fields["sensitive"] = True
    fields["favourites"], fields["reposts"] = count(view.get("likeCount")), count(view.get("repostCount"))
    who = mapping(view.get("author"))
    if fields["author"]:
        fields["author"]["kind"] = profile_kind(who.get("displayName"), who.get("handle"))
    return fields


def read_flat(flat: Fields) -> Fields:
    """The fields of a Post from a record with its address beside its text, as data sets keep it."""
    uri = string(flat.get("uri")) or string(flat.get("at_uri"))
    if uri is None:
        did = required_id(flat.get("did") or flat.get("author"), "uri", _VIEW)
        uri = f"at://{did}/{_POST}/{required_id(flat.get('rkey') or flat.get('cid'), 'uri', _VIEW)}"
    created = next((flat[name] for name in _CREATED if flat.get(name)), None)
    seen = flat.get("time_us") or flat.get("indexed_at") or flat.get("indexedAt")
    fields = _record({**flat, "createdAt": created}, uri, seen, _VIEW)
    images = flat.get("images") if not fields.get("media") else None
    if isinstance(images, list) and fields["kind"] != "repost":
        fields["media"] = [link for each in images for link in media_link(each)]
    fields["favourites"] = count(flat.get("like_count", flat.get("likeCount")))
    fields["reposts"] = count(flat.get("repost_count", flat.get("repostCount")))
    return fields


def read_feed_view(row: Fields) -> Fields:
    """The fields of a Post from a row of a feed: a post, or with a ``reason`` its repost, which carries its text."""
    fields = read_view(mapping(row.get("post")))
    reason = mapping(row.get("reason"))
    if not (string(reason.get("$type")) or "").endswith("reasonRepost"):
        return fields
    by = mapping(reason.get("by")).get("did")
    when = moment(reason.get("indexedAt"))
    own = string(reason.get("uri")) or f"{fields['id']}#reposted-by-{by}"
    return fields | {"id": own, "kind": "repost", "created_at": when or fields["created_at"]}


def _record(record: Fields, uri: str, seen: object, name: str) -> Fields:
    did, _, rest = uri.removeprefix("at://").partition("/")
    collection, _, key = rest.partition("/")
    common = {
        "network": "bluesky",
        "id": uri,
        "created_at": required_time(_time(record, seen), "commit.record.createdAt", name),
        "author": {"key": author_key("bluesky", did)},
    }
    return common | (_repost(record) if collection == _REPOST else _post(record, did, key, uri, name))


def _time(record: Fields, seen_at: object) -> datetime | None:
    """The earlier of the author's clock, which may say anything, and the network's."""
    claimed, seen = moment(record.get("createdAt")), moment(seen_at)
    return min(claimed, seen) if claimed and seen else claimed or seen


def _repost(record: Fields) -> Fields:
    subject = record.get("subject")
    root = required_id(mapping(subject).get("uri") or string(subject), "commit.record.subject.uri", _NAME)
    return {"kind": "repost", "root_id": root, "author": {}}


def _post(record: Fields, did: str, key: str, post_id: str, name: str) -> Fields:
    text, embed = record.get("text"), mapping(record.get("embed"))
    media = list(_media(_media_embed(embed), did))
    if text is None and media:
        text = ""
    if not isinstance(text, str):
        raise PostError(f"{name}: commit.record.text is missing or is not a string.")
    features = [feature for facet in rows(record.get("facets")) for feature in rows(facet.get("features"))]
    kinds = [(string(feature.get("$type")) or "").partition("#")[2] for feature in features]
    tags = record.get("tags")
    inline = [feature.get("tag") for feature, kind in zip(features, kinds, strict=True) if kind == "tag"]
    languages = record.get("langs")
    shown = _media_embed(embed)
    card = string(mapping(shown.get("external")).get("uri"))
    linked = {
        feature.get("uri")
        for feature, kind in zip(features, kinds, strict=True)
        if kind == "link" and isinstance(feature.get("uri"), str)
    }
    reply = record.get("reply") or record.get("reply_to")
    return {
        "root_id": post_id,
        "kind": "quote" if mapping(embed.get("record")) else "reply" if reply else "original",
        "url": f"https://bsky.app/profile/{did}/post/{key}",
        "text": text,
        "language": _language(languages),
        "media": media,
        "links": len(linked | ({card} if card else set())),
        "mentions": kinds.count("mention"),
        "hashtags": hashtags(inline + (tags if isinstance(tags, list) else [])),
        "degraded": _unknown(embed, shown),
        "sensitive": any(row.get("val") in _SENSITIVE for row in rows(mapping(record.get("labels")).get("values"))),
    }


def _language(languages: object) -> str | None:
    """The first of some languages; of a list as Python prints it too."""
    if isinstance(languages, str) and languages.startswith("["):
        languages = _TAG.findall(languages)
    return network_language(languages[0] if isinstance(languages, list) and languages else languages)


def _media_embed(embed: Fields) -> Fields:
    """The part of an embed that holds media: ``recordWithMedia`` wraps it beside the quoted post."""
    return mapping(embed.get("media")) or embed


def _unknown(*embeds: Fields) -> tuple[str, ...]:
    """A sentence for each type of embed that nobody here knows: what it shows could not be used."""
    types = dict.fromkeys(string(embed.get("$type")) or "" for embed in embeds)
    known = (name for name in types if name and name.partition("#")[0].rpartition(".")[2] not in _EMBEDS)
    return tuple(f"embed of unknown type {name:.100}" for name in known)


def _media(embed: Fields, did: str) -> Iterator[Fields]:
    """Photos, a video's still, a link card's thumbnail; of records from Bluesky's own CDN, of views as shown."""
    for name in ("images", "items", "media"):
        for row in rows(embed.get(name)):
            shown = row.get("fullsize") or row.get("image") or row.get("thumb")
            yield from media_link(_address(shown, did), row.get("alt"))
            if "video" in row:
                yield from _still(row, did)
    yield from _still(embed, did)
    yield from media_link(_address(mapping(embed.get("external")).get("thumb"), did))


def _still(embed: Fields, did: str) -> Iterator[Fields]:
    if (video := _cid(embed.get("video"))) is not None:
        still = f"https://video.bsky.app/watch/{quote(did, safe='')}/{video}/thumbnail.jpg"
        yield from media_link(still, embed.get("alt"))
    else:
        yield from media_link(embed.get("thumbnail"), embed.get("alt"))


def _address(shown: object, did: str) -> str | None:
    """Where a photo is: an address as a view gives it, or the CDN's for a blob of a record."""
    if isinstance(shown, str):
        return shown
    cid = _cid(shown)
    return f"https://cdn.bsky.app/img/feed_fullsize/plain/{did}/{cid}@jpeg" if cid else None


def _cid(blob: object) -> str | None:
    """A blob's content id, in today's form (``ref.$link``) or the first one (``cid``); letters and digits only."""
    ref = mapping(blob).get("ref")
    link = string(mapping(ref).get("$link")) or string(mapping(ref).get("/"))
    found = link or string(ref) or string(mapping(blob).get("cid"))
    return found if found and found.isascii() and found.isalnum() else None
