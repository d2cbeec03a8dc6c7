"""Mastodon: a status, bare or as the streaming API wraps it."""

from __future__ import annotations

from html.parser import HTMLParser

from pydantic_core import from_json

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
    web_address,
)
from stream_app.pipeline.posts.language import network_language

_NAME = "Mastodon status"
_PUBLIC = ("public", "unlisted", None)
_BLOCKS = frozenset({"p", "div", "li", "blockquote", "pre", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6"})


def read_event(event: Fields) -> Fields:
    """The fields of a Post from ``{"event": "update", "payload": "..."}``; ``payload`` is JSON, once or twice encoded.

    Raises:
        NotAPost: any event but ``update`` and ``status.update``.
        PostError: the payload is not a status.
    """
    if event.get("event") not in ("update", "status.update"):
        raise NotAPost(f"Mastodon stream: an event {event.get('event')!r:.40} is not a post.")
    payload = event.get("payload")
    if isinstance(payload, str):
        try:
            payload = from_json(payload, allow_inf_nan=False)
        except ValueError as error:
            raise PostError(f"Mastodon stream: payload is not valid JSON ({error}).") from None
    if not isinstance(payload, dict):
        raise PostError("Mastodon stream: payload is missing or is not an object.")
    return read(payload)


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
    post_id = required_id(status.get("uri") or status.get("id"), "id", _NAME)
    root_id = required_id(root.get("uri") or root.get("id"), "reblog.id", _NAME) if root else post_id
    content = body.get("content")
    if not isinstance(content, str):
        raise PostError(f"{_NAME}: content is missing or is not a string.")
    page = _Text(content)
    warning = string(body.get("spoiler_text"))
    kind = "repost" if root else "quote" if mapping(status.get("quote")) else "original"
    if kind == "original" and status.get("in_reply_to_id"):
        kind = "reply"
    return {
        "network": "mastodon",
        "id": post_id,
        "root_id": root_id,
        "kind": kind,
        "url": web_address(status.get("url")) or web_address(body.get("url")),
        "text": f"{warning}\n\n{page.text}" if warning else page.text,
        "language": network_language(body.get("language")),
        "created_at": required_time(moment(status.get("created_at")), "created_at", _NAME),
        "author": _author(mapping(body.get("account"))),
        "media": _media(body),
        "links": page.links,
        "mentions": len(rows(body.get("mentions"))),
        "hashtags": hashtags(row.get("name") for row in rows(body.get("tags"))),
        "favourites": count(body.get("favourites_count")),
        "reposts": count(body.get("reblogs_count")),
    }


def _author(account: Fields) -> Fields:
    """``followers_count`` may be -1 where the author hides it: unknown."""
    return {
        "key": author_key("mastodon", account.get("uri") or account.get("url") or account.get("id")),
        "followers": count(account.get("followers_count")),
        "friends": count(account.get("following_count")),
        "statuses": count(account.get("statuses_count")),
        "created_at": moment(account.get("created_at")),
    }


def _media(body: Fields) -> list[Fields]:
    """Photos as they are; of videos and animations the preview image."""
    return [
        link
        for row in rows(body.get("media_attachments"))
        for link in media_link(
            row.get("url") if row.get("type") == "image" else row.get("preview_url"), row.get("description")
        )
    ]


class _Text(HTMLParser):
    """The plain text of a status's HTML, and how many links it has that are neither mentions nor hashtags."""

    def __init__(self, content: str) -> None:
        super().__init__(convert_charrefs=True)
        self.links = 0
        self._parts: list[str] = []
        self.feed(content)
        self.close()
        self.text = "".join(self._parts).strip()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "br":
            self._parts.append("\n")
        elif tag == "a":
            classes = (dict(attrs).get("class") or "").split()
            self.links += not {"mention", "hashtag"} & set(classes)

    def handle_endtag(self, tag: str) -> None:
        if tag in _BLOCKS:
            self._parts.append("\n\n" if tag == "p" else "\n")

    def handle_data(self, data: str) -> None:
        self._parts.append(data)
