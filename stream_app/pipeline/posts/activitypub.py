"""ActivityPub, as servers of the fediverse tell each other: Create, Update, Announce, Delete, and bare Notes.

https://www.w3.org/TR/activitypub, https://www.w3.org/TR/activitystreams-vocabulary
"""

from __future__ import annotations

from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import (
    Fields,
    author_key,
    content_token,
    hashtags,
    mapping,
    media_link,
    moment,
    position,
    required_id,
    required_time,
    rows,
    string,
    web_address,
)
from stream_app.pipeline.posts.html_text import HtmlText
from stream_app.pipeline.posts.language import network_language
from stream_app.pipeline.posts.post import Withdrawal

_NAME = "ActivityPub activity"
_ACTS = frozenset({"Create", "Update", "Announce", "Delete", "Undo", "Like", "Follow", "Accept", "Reject", "Add",
                   "Remove", "Block", "Flag", "Move", "EmojiReact", "Dislike"})  # fmt: skip
_NOTES = frozenset({"Note", "Article", "Question", "Page", "Video", "Image", "Event", "Audio", "Document"})
_PUBLIC = frozenset({"https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"})


def is_activity(value: Fields) -> bool:
    """Whether it is an activity or a note: a ``type`` of theirs beside an actor, an author or a context."""
    if "type" not in value:
        return False
    kind = _kind(value)
    if kind == "Tombstone":
        return "id" in value
    return (
        (kind in _ACTS and "object" in value and ("actor" in value or "@context" in value))
        or (kind in _NOTES and ("attributedTo" in value or "@context" in value))
        or (kind == "Note" and "content" in value and "published" in value)
    )


def read(activity: Fields) -> Fields | Withdrawal:
    """What an activity says: a note made or changed, one passed on, or one taken back.

    Raises:
        NotAPost: a like, a follow and the like, or a note for followers or one person only.
        PostError: the id, the content or the time is missing.
    """
    kind, about = _kind(activity), activity.get("object")
    if kind == "Tombstone":
        return _gone(activity, activity)
    if kind in _NOTES:
        return _note(activity, activity)
    if kind in ("Create", "Update"):
        return _made(kind, about, activity)
    if kind == "Announce":
        return _announce(activity, about)
    if kind == "Delete" or (kind == "Undo" and mapping(about).get("type") == "Announce"):
        return _gone(activity, about)
    raise NotAPost(f"{_NAME}: a {kind} of a {str(mapping(about).get('type'))[:40]} is not a post.")


def _made(kind: str, about: object, activity: Fields) -> Fields:
    """A note that was made or changed, of whatever type it is: a review of BookWyrm has a content too.

    Raises:
        NotAPost: it is none, such as a person.
        PostError: only its address is given.
    """
    note = mapping(about) or next(iter(rows(about)), {})
    if not note and isinstance(about, str):
        raise PostError(f"{_NAME}: a {kind} that gives the address of its object only.")
    if _kind(note) not in _NOTES and not (isinstance(note.get("content"), str) and "id" in note):
        raise NotAPost(f"{_NAME}: a {kind} of a {str(note.get('type'))[:40]} is not a post.")
    fields = _note(note, activity)
    return fields | {"edited": content_token(fields)} if kind == "Update" else fields


def _kind(thing: Fields) -> str | None:
    """Its type, without its vocabulary; of several the first that is known here."""
    kinds = [
        each.rpartition("#")[2].removeprefix("as:") for each in _several(thing.get("type")) if isinstance(each, str)
    ]
    return next((each for each in kinds if each in _ACTS or each in _NOTES), kinds[0] if kinds else None)


def _announce(activity: Fields, about: object) -> Fields | Withdrawal:
    """A note passed on; groups (Lemmy) pass on the activity that made it, changed it or took it back."""
    root = mapping(about)
    act = _kind(root)
    if act == "Delete":
        return _gone(root, root.get("object"))
    if act in ("Create", "Update"):
        root = mapping(root.get("object"))
        about = root or about
    elif act in _ACTS:
        raise NotAPost(f"{_NAME}: an Announce of a {act} is not a post.")
    root_id = required_id(root.get("id") or string(about), "object", _NAME)
    passed_on = _note(root, activity) if _kind(root) in _NOTES else {"network": "mastodon", "author": {}}
    return passed_on | {
        "id": required_id(activity.get("id"), "id", _NAME),
        "root_id": root_id,
        "kind": "repost",
        "created_at": required_time(moment(activity.get("published")), "published", _NAME),
    }


def _gone(activity: Fields, about: object) -> Withdrawal:
    gone, actor = _address(about), _address(activity.get("actor"))
    at = moment(activity.get("published")) or moment(mapping(about).get("deleted"))
    if gone is None:
        raise PostError(f"{_NAME}: object is missing or names nothing.")
    if gone == actor:
        return Withdrawal(network="mastodon", author_key=author_key("mastodon", actor), reason="author gone", at=at)
    return Withdrawal(network="mastodon", id=gone, reason="deleted", at=at)


def _note(note: Fields, activity: Fields) -> Fields:
    readers = [*_several(note.get("to")), *_several(note.get("cc")), *_several(activity.get("to"))]
    if readers and _PUBLIC.isdisjoint(each for each in readers if isinstance(each, str)):
        raise NotAPost("ActivityPub note: it is not public.")
    note_id = required_id(note.get("id"), "object.id", _NAME)
    content, language = _content(note)
    title, choices = note.get("name"), rows(note.get("oneOf")) or rows(note.get("anyOf"))
    if content is None and not isinstance(title, str) and not note.get("attachment"):
        raise PostError(f"{_NAME}: object.content is missing or is not a string.")
    page = HtmlText(content or "")
    parts = [title, note.get("summary"), page.text, "\n".join(f"- {row.get('name')}" for row in choices)]
    tags = rows(note.get("tag"))
    kinds = [tag.get("type") for tag in tags]
    fields: Fields = {
        "network": "mastodon",
        "id": note_id,
        "root_id": note_id,
        "kind": "quote" if _quotes(note) else "reply" if note.get("inReplyTo") else "original",
        "url": _link(note.get("url")) or web_address(note_id),
        "text": "\n\n".join(part for part in parts if isinstance(part, str) and part),
        "language": network_language(language),
        "created_at": required_time(
            moment(note.get("published")) or moment(activity.get("published")), "object.published", _NAME
        ),
        "place": _place(mapping(note.get("location"))),
        "author": {
            "key": author_key("mastodon", _address(note.get("attributedTo")) or _address(activity.get("actor")))
        },
        "media": [
            link
            for row in _attachments(note)
            for link in media_link(_link(row.get("url")) or _link(row.get("href")), row.get("name"))
        ],
        "links": page.links,
        "mentions": kinds.count("Mention"),
        "hashtags": hashtags(tag.get("name") for tag in tags if tag.get("type") == "Hashtag"),
    }
    if note.get("updated") and note["updated"] != note.get("published"):
        fields["edited"] = content_token(fields)
    fields["sensitive"] = note.get("sensitive") is True
    return fields


def _content(note: Fields) -> tuple[str | None, object]:
    """The text as HTML and its language: of ``contentMap`` where there is no content, or where the map has one only."""
    by_language = mapping(note.get("contentMap"))
    language = next(iter(by_language), None) if len(by_language) == 1 else None
    content = note.get("content")
    if language is None:
        language = next((name for name, text in by_language.items() if text == content), None)
    if not isinstance(content, str):
        language, content = next(((k, v) for k, v in by_language.items() if isinstance(v, str)), (None, None))
    if content is None:
        content = string(mapping(note.get("source")).get("content"))
    return content, language


def _quotes(note: Fields) -> bool:
    links = (str(tag.get("rel")) for tag in rows(note.get("tag")) if tag.get("type") == "Link")
    return any(note.get(name) for name in ("quote", "quoteUrl", "quoteUri", "_misskey_quote")) or any(
        "quote" in rel for rel in links
    )


def _attachments(note: Fields) -> list[Fields]:
    found = rows(_several(note.get("attachment"))) + rows(_several(note.get("image")))
    if _kind(note) == "Video":  # PeerTube's still
        found += rows(_several(note.get("icon")))[-1:]
    return [row for row in found if _is_image(row)]


def _is_image(row: Fields) -> bool:
    kind = string(row.get("mediaType")) or ""
    return kind.startswith("image/") or (not kind and row.get("type") in ("Image", "Document"))


def _place(location: Fields) -> Fields | None:
    latitude, longitude = location.get("latitude"), location.get("longitude")
    if type(latitude) not in (int, float) or type(longitude) not in (int, float):
        return None
    found = position(longitude, latitude)  # type: ignore[arg-type]
    return {**found, "name": string(location.get("name")), "source": "point"} if found else None


def _several(value: object) -> list[object]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _address(value: object) -> str | None:
    """The id of a thing that is named or enclosed; of a list the first's."""
    if isinstance(value, list):
        return next((found for each in value if (found := _address(each))), None)
    return string(value) or string(mapping(value).get("id"))


def _link(value: object) -> str | None:
    if isinstance(value, list):
        return next((found for each in value if (found := _link(each))), None)
    return web_address(value) or web_address(mapping(value).get("href"))
