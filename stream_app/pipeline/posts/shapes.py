"""What a JSON value holds: envelopes are opened, pages taken apart, and each part given to the reader of its format."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, Protocol

from stream_app.pipeline.posts import activitypub, bluesky, mastodon, own, tabular, x_forms, x_notices, x_v1, x_v2
from stream_app.pipeline.posts.decode import decode
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import Fields, content_token, identifier, mapping, rows, string
from stream_app.pipeline.posts.named import named
from stream_app.pipeline.posts.post import Withdrawal

Reader = Callable[[Fields], Fields | Withdrawal | Iterable[Withdrawal]]

_DEPTH = 6
"""Envelopes within envelopes that are opened."""
_LISTS = ("statuses", "posts", "feed", "tweets", "results", "records", "items", "orderedItems", "hits", "events",
          "messages", "data", "notifications", "Records", "ancestors", "descendants",
          "bookmarks", "rows", "documents")  # fmt: skip
"""Where pages keep their posts."""
_WRAPPERS = ("payload", "data", "tweet", "status", "post", "value", "message", "record", "body", "_source", "after",
             "detail", "Message", "object", "toot", "item", "hits", "event", "document", "fullDocument", "kinesis",
           "tweetResult", "tweet_results", "result", "first", "log")  # fmt: skip
"""What envelopes call what they carry, tried in this order once no format was recognised."""
_NOTICES = frozenset({*x_v1.CONTROL, "errors", "info", "heartbeat"})
_MASTODON_EVENTS = frozenset(
    {"update", "status.update", "delete", "notification", "filters_changed", "conversation", "announcement",
     "announcement.reaction", "announcement.delete", "encrypted_message", "notifications_merged"}
)  # fmt: skip
NO_ROW = "Debezium: a deletion without a row."
"""Which row it was is in the record's key."""
_CHANGES = frozenset({"c", "r", "u", "d", "t", "m"})
"""Debezium's words for what became of a row."""
_NOT_ALONE = frozenset(
    {"network", "did", "data", "verb", "event", "action", "rawContent", "deleted_at", "Text", "_type", "date",
     "createdAt", "userId", "op", "type"}
)  # fmt: skip
"""Marks beside those of a status that make it something else, or may."""
_FOREIGN = frozenset({"network", "did", "account", "uri", "user", "full_text"})
_MARKED = ('"', "\ufeff", "\0", "\1", "\3")
"""How a string begins that holds a string of JSON, JSON after a byte order mark, or after a registry's frame."""
_PACKED = ("eyJ", "eyAi", "ewog", "ewo", "W3s", "Wwog")
"""How JSON in base64 begins."""
_EMPTY_PAGE = frozenset({"meta", "includes", "cursor", "links", "next", "paging", "search_metadata", "hitsTotal"})


class Part(NamedTuple):
    """One thing that a record holds, and who reads it; ``alone`` where the record holds nothing else."""

    read: Reader
    value: Fields
    alone: bool


class Mapping(Protocol):
    """Reads what is written in a format of somebody's own; see :class:`stream_app.pipeline.posts.mapped.Mapped`."""

    def fits(self, value: Fields) -> bool:
        """Whether it may be asked to read the object."""
        ...

    def read(self, value: Fields) -> Fields | Withdrawal:
        """The fields of a Post."""
        ...


def at_once(value: Fields) -> Reader | None:
    """The reader of the commonest records, by a few marks that no envelope has; None of all others: see :func:`parts`.

    It only saves time: :func:`parts` comes to the same answer for these.
    """
    if "specversion" in value:
        return None
    data = value.get("data")
    if type(data) is dict:
        return x_v2.read if "text" in data and "id" in data and _is_v2(data) else None
    if "commit" in value and "did" in value and "network" not in value:
        return bluesky.read
    if "account" in value and "visibility" in value and _NOT_ALONE.isdisjoint(value):
        return mastodon.read
    if "id_str" in value and "user" in value and _NOT_ALONE.isdisjoint(value):
        return x_v1.read
    return own.read if "network" in value and data is None else None


def parts(value: Any, mapped: Mapping | None = None, *, alone: bool = True, depth: int = 0) -> Iterator[Part]:
    """The parts of a JSON value, in order: one for most records, many for a page. What ``mapped`` fits, it reads.

    Raises:
        PostError: it is no object and no list of objects.
    """
    if isinstance(value, str) and depth < _DEPTH and _holds(value):
        value = decode(value.encode("utf-8", "replace"))
        yield from parts(value, mapped, alone=alone, depth=depth + 1)
    elif isinstance(value, dict):
        yield from _of_object(value, mapped, alone, depth)
    elif value == []:
        raise NotAPost("An empty page holds no post.")
    elif isinstance(value, list) and depth < _DEPTH and any(map(_holds, value)):
        for each in value:
            yield from _of_item(each, mapped, depth + 1, alone=alone and len(value) == 1)
    else:
        raise PostError(f"The value is a JSON {kind_of(value)}; one object with one post was expected.")


def _holds(item: Any) -> bool:
    """Whether an object may be in it: it is one, or a list, or a string of JSON, behind a mark or a frame perhaps."""
    if isinstance(item, str):
        return item.startswith(_MARKED) or item.lstrip()[:1] in ("{", "[", '"')
    return isinstance(item, dict | list)


def _of_item(item: Any, mapped: Mapping | None, depth: int, *, alone: bool = False) -> Iterator[Part]:
    """As :func:`parts`, but what is no post costs only itself."""
    try:
        yield from parts(item, mapped, alone=alone, depth=depth)
    except PostError as error:
        yield Part(_refusing(error), {"value": item}, alone)


def _of_object(value: Fields, mapped: Mapping | None, alone: bool, depth: int) -> Iterator[Part]:
    if mapped is not None and mapped.fits(value):
        yield Part(mapped.read, value, alone)
        return
    data = value.get("data")
    if isinstance(data, list) and data and "specversion" not in value and _is_v2_page(value, data):
        pages = list(x_v2.posts_of_page(value))
        yield from (Part(x_v2.read, each, len(pages) == 1) for each in pages)
        return
    reader = None if "specversion" in value else reader_of(value)
    if reader is not None:
        yield Part(reader, value, alone)
        return
    if (found := _several(value)) is not None:
        if not found:
            raise NotAPost("A list without a post.")
        yield from (Part(read, each, len(found) == 1 and alone) for read, each in found)
        return
    inside = _inside(value) if depth < _DEPTH else None
    if inside is not None:
        yield from (
            _of_item(inside, mapped, depth + 1, alone=alone)
            if not isinstance(inside, list)
            else (
                part for each in inside for part in _of_item(each, mapped, depth + 1, alone=alone and len(inside) == 1)
            )
        )
        return
    yield Part(tabular.read if tabular.is_row(value) else _nothing, value, alone)


def _several(value: Fields) -> list[tuple[Reader, Fields]] | None:
    """The parts of what is neither one post nor an envelope: a thread, a commit of many records, a row that changed."""
    if "thread" in value and isinstance(value["thread"], dict | list):
        return [(bluesky.read_feed_view, post) for post in bluesky.posts_of_thread(value["thread"])]
    if (ops := bluesky.ops(value)) is not None:
        return [(bluesky.read_op, op) for op in ops]
    if value.get("op") in _CHANGES and ("before" in value or "after" in value):
        return [(_changed, value)]
    if value.get("operationType") == "delete" and "documentKey" in value:  # MongoDB
        return [(lambda change: named(change["documentKey"]), value)]
    if value.get("type") in ("delete", "DELETE") and {"database", "table"} & value.keys():  # Maxwell, Canal
        gone = value.get("data")
        return [(_gone, row) for row in (rows(gone) if isinstance(gone, list) else [mapping(gone)])]
    return None


def _gone(row: Fields) -> Withdrawal:
    """What a deleted row was, or else what its key names."""
    fields = _read_or_none(row)
    return named(row) if fields is None else _withdrawn(fields)


def _changed(change: Fields) -> Fields | Withdrawal:
    """What Debezium says of a row: one that was updated is an edit, one that was deleted is withdrawn.

    Raises:
        NotAPost: nothing is said of any row.
        PostError: the row is in no known format.
    """
    gone = change["op"] == "d"
    row = change.get("before" if gone else "after")
    if row is None:
        raise NotAPost(NO_ROW if gone else f"Debezium: a change {change['op']!r:.10} without a row.")
    if gone:
        return _gone(mapping(row) or mapping(_read_json(row)))
    fields = _read_one(row)
    if isinstance(fields, dict) and change["op"] == "u" and not fields.get("edited"):
        before = _read_or_none(change.get("before"))
        if before is None or content_token(before) != content_token(fields):
            fields["edited"] = content_token(fields)
    return fields


def _read_json(row: object) -> object:
    return decode(row.encode("utf-8", "replace")) if isinstance(row, str) else row


def _withdrawn(fields: Fields) -> Withdrawal:
    return Withdrawal(network=fields["network"], id=fields["id"], reason="deleted")


def _read_one(row: Any) -> Fields | Withdrawal:
    """What the one post in a value says.

    Raises:
        PostError: it holds none, or several.
    """
    found = list(parts(row))
    answer = found[0].read(found[0].value) if len(found) == 1 else None
    if not isinstance(answer, dict | Withdrawal):
        raise PostError(f"A changed row holds {len(found)} things; one post was expected.")
    return answer


def _read_or_none(row: Any) -> Fields | None:
    try:
        answer = _read_one(row)
    except PostError:
        return None
    return answer if isinstance(answer, dict) else None


def _is_v2_page(value: Fields, data: list[Any]) -> bool:
    """A page of X: rows without another format's marks."""
    return bool({"includes", "meta"} & value.keys()) or any(
        isinstance(row, dict) and "text" in row and "id" in row and _is_v2(row) for row in data
    )


def _is_v2(data: Fields) -> bool:
    return _FOREIGN.isdisjoint(data)


def reader_of(value: Fields) -> Reader | None:  # noqa: PLR0911, C901 - a table of formats, most common first
    """The reader of the format whose fields the object has; None for none of them, an envelope perhaps."""
    data = value.get("data")
    if isinstance(data, dict):
        if "text" in data and "id" in data and _is_v2(data):
            return x_v2.read
        if x_notices.is_compliance(data):
            return lambda line: x_notices.read_compliance(line["data"])
        if _is_v2(data) and ("text" in data or ("id" in data and reader_of(data) is None) or not data):
            return x_v2.read
    if "network" in value:
        return own.read
    if "did" in value:
        return bluesky.read
    if (string(value.get("uri")) or string(value.get("at_uri")) or "").startswith("at://"):
        return None if bluesky.is_page(value) else bluesky.read_view
    if (string(mapping(value.get("post")).get("uri")) or "").startswith("at://"):
        return bluesky.read_feed_view
    if "account" in value:
        return mastodon.read_notification if mastodon.is_notification(value) else mastodon.read
    if "verb" in value and ("actor" in value or "object" in value):
        return _gnip(value)
    if activitypub.is_activity(value):
        return activitypub.read
    if "event" in value and ("payload" in value or _MASTODON_EVENTS.issuperset([str(value["event"])])):
        return _frame(value)
    return _x_reader(value)


def _x_reader(value: Fields) -> Reader | None:  # noqa: PLR0911, C901 - as above
    if x_notices.is_batch_line(value):
        return x_notices.read_batch_line
    if x_forms.is_scraped_elsewhere(value):
        return x_forms.read_scraped_elsewhere
    if x_forms.is_scraped(value):
        return x_forms.read_scraped
    if x_forms.is_connect(value):
        return x_forms.read_connect
    if "text" in value and x_forms.is_flattened(value):
        return x_forms.read_flattened
    if "userId" in value and "text" in value and ("visibility" in value or "files" in value):
        return mastodon.read_misskey
    if "text" in value or "full_text" in value or "retweeted_status" in value:
        if "deleted_at" in value:
            return _deleted
        return tabular.read if _is_no_status(value) and tabular.is_row(value) else x_v1.read
    if "noteTweet" in value:
        return x_forms.read_note
    if isinstance(value.get("legacy"), dict) and "rest_id" in value:
        return x_forms.read_web
    if any(isinstance(value.get(name), dict) for name in x_notices.V1):
        return x_notices.read_v1
    if "StatusId" in value and "UserId" in value:
        return lambda line: Withdrawal(network="x", id=str(line["StatusId"]), reason="deleted")
    return None


def _is_no_status(value: Fields) -> bool:
    """Whether nothing but a text is like X's: its ids are digits."""
    if "id_str" in value or "user" in value or "full_text" in value:
        return False
    return not (identifier(value.get("id")) or "").isdigit()


def _deleted(status: Fields) -> Withdrawal:
    """A line of a personal archive's deleted posts."""
    return Withdrawal(network="x", id=x_v1.id_of(status), reason="deleted")


def _gnip(activity: Fields) -> Reader | None:
    if activity["verb"] in ("post", "share"):
        return x_forms.read_gnip if "body" in activity or "postedTime" in activity else None
    return x_notices.read_gnip if isinstance(activity["verb"], str) else None


def _frame(value: Fields) -> Reader | None:
    """A frame of Mastodon's streaming API; any other object with an event and a payload may be an envelope."""
    if value["event"] in ("update", "status.update"):
        return _status
    if value["event"] == "delete":
        return lambda frame: mastodon.deletion(frame.get("payload"))
    if not _MASTODON_EVENTS.issuperset([str(value["event"])]):
        return None
    return None if _may_hold_post(value.get("payload")) else _other_event


def _may_hold_post(payload: Any) -> bool:
    return any(name in payload for name in ("text", "content", "body")) if isinstance(payload, dict) else False


def _status(frame: Fields) -> Fields:
    payload = frame.get("payload")
    if isinstance(payload, str):
        try:
            payload = decode(payload.encode("utf-8", "replace"))
        except PostError:
            raise PostError("Mastodon stream: payload is not valid JSON.") from None
    if not isinstance(payload, dict):
        raise PostError("Mastodon stream: payload is missing or is not an object.")
    fields = mastodon.read(payload)
    if frame["event"] == "status.update" and not fields.get("edited"):
        fields["edited"] = content_token(fields)
    return fields


def _other_event(frame: Fields) -> Fields:
    """The public status that a notification is about; anything else is no post."""
    payload = frame.get("payload")
    if isinstance(payload, str) and payload[:1] == "{":
        payload = decode(payload.encode("utf-8", "replace"))
    status = mapping(mapping(payload).get("status"))
    if isinstance(status.get("content"), str):
        return mastodon.read(status)
    raise NotAPost(f"Mastodon stream: an event {frame.get('event')!r:.40} is not a post.")


def _inside(value: Fields) -> Any:
    """What an envelope carries: a CloudEvent's data, a page's list, a wrapper's object; None for no envelope."""
    if "specversion" in value and "data_base64" in value:
        return _unpacked(value["data_base64"])
    if "ancestors" in value and "descendants" in value:
        return [*rows(value["ancestors"]), *rows(value["descendants"])]
    for name in _LISTS:
        if isinstance(value.get(name), list) and any(isinstance(row, dict | str) for row in value[name]):
            return value[name]
    for name in _WRAPPERS:
        found = value.get(name)
        if (isinstance(found, dict) and found) or (isinstance(found, list) and any(map(_holds, found))):
            return found
        if isinstance(found, str) and (inside := _written(found)) is not None:
            return inside
    return None


def _written(text: str) -> Any:
    """The JSON in an envelope's string: as it is, in base64, behind a mark or a frame, or in a string once more.

    None where the string is words.
    """
    if text.lstrip()[:1] in ("{", "["):
        return text
    if text.startswith(_PACKED):
        return _unpacked(text)
    if not text.startswith(_MARKED):
        return None
    try:
        inside = decode(text.encode("utf-8", "replace"))
    except PostError:
        return None
    return inside if _holds(inside) else None


def _unpacked(packed: Any) -> Any:
    """The JSON value in base64; None where there is none."""
    try:
        return decode(base64.b64decode(packed, validate=True))
    except (binascii.Error, ValueError, TypeError):
        return None


def _nothing(value: Fields) -> Fields:
    """Says why an object is no post.

    Raises:
        NotAPost: a notice of a stream, an empty page, an emptied envelope.
        PostError: it is in no known format.
    """
    if control := sorted(_NOTICES & value.keys()):
        raise NotAPost(f"X stream: a {control[0]} notice is not a post.")
    lists = [name for name in _LISTS if value.get(name) == []]
    empty = mapping(value.get("meta")).get("result_count") == 0 or (value and _EMPTY_PAGE.issuperset(value))
    if lists or empty or str(value.get("type")).endswith(("Collection", "CollectionPage")):
        raise NotAPost("An empty page holds no post.")
    if ("payload" in value and value["payload"] is None) or ("specversion" in value and value.get("data") is None):
        raise NotAPost("An envelope without a payload holds no post.")
    names = ", ".join(sorted(map(str, value))[:6])[:200]
    raise PostError(f"An object with the fields [{names}] is in none of the known formats (docs/formats.md).")


def _refusing(error: PostError) -> Reader:
    def refuse(_: Fields) -> Fields:
        raise error

    return refuse


def kind_of(value: Any) -> str:
    """JSON's word for a value."""
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number", dict: "object"}
    return names.get(type(value), "null")
