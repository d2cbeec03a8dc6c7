"""Mastodon: a status, bare or as the streaming API wraps it."""

from __future__ import annotations

from stream_app.pipeline.posts.author_kind import profile_kind
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    content_token,
    count,
    hashtags,
    identifier,
    mapping,
    media_link,
    moment,
    required_id,
    required_time,
    rows,
    string,
    web_address,
)
from stream_app.pipeline.posts.html_text import HtmlText
from stream_app.pipeline.posts.language import network_language
from stream_app.pipeline.posts.post import Withdrawal

_NAME = "Mastodon status"
_PHOTOS = ("image", "unknown", None)
"""``unknown`` is what a server has not fetched itself; its address tells where it is."""
_PUBLIC = ("public", "unlisted", None)


def deletion(payload: object) -> Withdrawal:
    """What the streaming API's ``delete`` takes away: it names a status by its id on that server.

    Raises:
        PostError: it names none.
    """
    gone = required_id(payload, "payload", "Mastodon delete event")
    return Withdrawal(network="mastodon", id=gone, reason="deleted")


def read_misskey(note: Fields) -> Fields:
    """The fields of a Post from a note of Misskey and its kin; a renote without words of its own is a repost.

    Raises:
        NotAPost: the note is for followers or for one person only.
        PostError: the id or the time is missing.
    """
    if note.get("visibility") not in ("public", "home", None):
        raise NotAPost(f"Misskey note: visibility {note.get('visibility')!r:.40} is not public.")
    name = "Misskey note"
    renote, user = mapping(note.get("renote")), mapping(note.get("user"))
    repeats = bool(renote) and not note.get("text")
    body = renote if repeats else note
    post_id = required_id(note.get("uri") or note.get("id"), "id", name)
    parts = (string(body.get("cw")), string(body.get("text")))
    files = rows(body.get("files"))
    return {
        "network": "mastodon",
        "id": post_id,
        "root_id": required_id(renote.get("uri") or renote.get("id"), "renote.id", name) if repeats else post_id,
        "kind": "repost" if repeats else "quote" if renote else "reply" if note.get("replyId") else "original",
        "url": web_address(note.get("url")) or web_address(note.get("uri")),
        "local_id": identifier(note.get("id")),
        "text": "\n\n".join(part for part in parts if part),
        "created_at": required_time(moment(note.get("createdAt")), "createdAt", name),
        "author": {"key": author_key("mastodon", user.get("uri") or note.get("userId"))},
        "media": [
            link
            for row in files
            if str(row.get("type")).startswith("image/")
            for link in media_link(row.get("url"), row.get("comment"))
        ],
        "hashtags": hashtags(tags) if isinstance(tags := body.get("tags"), list) else (),
    }


def is_notification(value: Fields) -> bool:
    """Whether it is a notification of the REST API: about an account, and perhaps a status."""
    return isinstance(value.get("type"), str) and "content" not in value and "visibility" not in value


def read_notification(notification: Fields) -> Fields:
    """The fields of the status that a notification is about.

    Raises:
        NotAPost: it is about none that is public.
        PostError: the status cannot be read.
    """
    status = mapping(notification.get("status"))
    if not status:
        raise NotAPost(f"Mastodon: a notification {notification['type']!r:.40} without a status.")
    return read(status)


def read(status: Fields) -> Fields:
    """The fields of a Post from a status; a boost carries the facts of its ``reblog``.

    Ids are the ``uri``, the same on every server, where there is one. A content warning goes before the text.

    Raises:
        NotAPost: the status is for followers or for one person only.
        PostError: the id, content or time is missing.
    """
    if status.get("visibility") not in _PUBLIC:
        raise NotAPost(f"{_NAME}: visibility {status.get('visibility')!r:.40} is not public.")
    root = mapping(status.get("reblog"))
    body = root or status
    if body.get("visibility") not in _PUBLIC:
        raise NotAPost(f"{_NAME}: visibility {body.get('visibility')!r:.40} of what it boosts is not public.")
    post_id = required_id(status.get("uri") or status.get("id"), "id", _NAME)
    root_id = required_id(root.get("uri") or root.get("id"), "reblog.id", _NAME) if root else post_id
    content, media = body.get("content"), _media(body)
    if content is None and media:
        content = ""
    if not isinstance(content, str):
        raise PostError(f"{_NAME}: content is missing or is not a string.")
    page = HtmlText(content)
    warning = string(body.get("spoiler_text"))
    kind = "repost" if root else "quote" if page.quotes or mapping(status.get("quote")) else "original"
    if kind == "original" and status.get("in_reply_to_id"):
        kind = "reply"
    parts = (warning, page.text, _choices(mapping(body.get("poll"))))
    fields: Fields = {
        "network": "mastodon",
        "id": post_id,
        "root_id": root_id,
        "kind": kind,
        "url": web_address(status.get("url")) or web_address(body.get("url")),
        "local_id": identifier(status.get("id")),
        "text": "\n\n".join(part for part in parts if part),
        "language": network_language(body.get("language")),
        "created_at": required_time(moment(status.get("created_at")), "created_at", _NAME),
        "author": _author(mapping(body.get("account"))),
        "media": media,
        "links": page.links,
        "mentions": len(rows(body.get("mentions"))),
        "hashtags": hashtags(row.get("name") for row in rows(body.get("tags"))),
        "favourites": count(body.get("favourites_count")),
        "reposts": count(body.get("reblogs_count")),
    }
    if body.get("edited_at"):
        fields["edited"] = content_token(fields)
    fields["sensitive"] = body.get("sensitive") is True
    return fields


def _choices(poll: Fields) -> str:
    return "\n".join(f"- {title}" for row in rows(poll.get("options")) if (title := string(row.get("title"))))


def _author(account: Fields) -> Fields:
    """``followers_count`` may be -1 where the author hides it: unknown."""
    return {
        "key": author_key("mastodon", account.get("uri") or account.get("url") or account.get("id")),
        "followers": count(account.get("followers_count")),
        "friends": count(account.get("following_count")),
        "statuses": count(account.get("statuses_count")),
        "created_at": moment(account.get("created_at")),
        "kind": profile_kind(account.get("display_name"), _host(account), account.get("note")),
    }


def _host(account: Fields) -> str | None:
    """Of the server that has the account."""
    parts = (string(account.get("uri")) or string(account.get("url")) or "").split("/", 3)
    return parts[2] if len(parts) > 2 else None


def _media(body: Fields) -> list[Fields]:
    """Photos as they are, by their server or from where they came; of videos and animations the preview image."""
    return [
        link for row in rows(body.get("media_attachments")) for link in media_link(_shown(row), row.get("description"))
    ]


def _shown(row: Fields) -> str | None:
    names = (
        ("url", "remote_url", "preview_url") if row.get("type") in _PHOTOS else ("preview_url", "preview_remote_url")
    )
    return next((address for name in names if (address := web_address(row.get(name)))), None)
