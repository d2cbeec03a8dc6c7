"""Bytes in, all that they hold out: posts, withdrawals, notices and problems, whichever network's format it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from stream_app.pipeline.posts.decode import decode
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import Fields, NoTime, moment
from stream_app.pipeline.posts.named import named
from stream_app.pipeline.posts.post import Post, Withdrawal
from stream_app.pipeline.posts.shapes import NO_ROW, Mapping, Part, at_once, parts

__all__ = ["MAX_TEXT", "NotAPost", "Parsed", "PostError", "parse_post", "parse_record", "time_us"]

MAX_TEXT = 100_000
"""Characters; four times the longest post that X sells."""
MAX_TOGETHER = 8_000_000
"""Characters of all posts of a record. A page may name one long post thousands of times: 1 MB would become 500."""

_NEEDED = frozenset({"network", "id", "root_id", "text", "created_at"})

Headers = Sequence[tuple[str, bytes]]


class Parsed(NamedTuple):
    """All that one record held. A record is done with when each of these has come to its end.

    ``problems`` are what could not be read: of a page with one bad post, that post alone (:attr:`PostError.part`).
    """

    posts: tuple[Post, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    notices: tuple[str, ...] = ()
    problems: tuple[PostError, ...] = ()


def parse_record(  # noqa: PLR0911 - one kind of nothing after the other
    value: bytes | None,
    headers: Headers = (),
    timestamp: float | None = None,
    key: bytes | None = None,
    mapped: Mapping | None = None,
) -> Parsed:
    """All that a record holds, whatever the format (docs/formats.md); never raises.

    Args:
        value: The record's value, or a line of a file; None takes back the post that ``key`` names.
        headers: The record's headers; a CloudEvent's (binary) tell its time.
        timestamp: The record's own time in seconds since 1970, for a post that has none.
        key: The record's key.
        mapped: Reads JSON in a format of somebody's own; tried before the formats known here.
    """
    if value is None and key:
        return _tombstone(key)
    if not value or value.isspace():
        return Parsed(notices=("A blank line keeps a stream alive and is not a post.",))
    seen = datetime.fromtimestamp(timestamp, UTC) if timestamp and 0 < timestamp < 1e11 else None
    if headers and (said := dict(headers).get("ce_time")) is not None:
        seen = moment(said.decode("ascii", "replace")) or seen
    try:
        whole = decode(value)
        reader = at_once(whole) if mapped is None and type(whole) is dict else None
        if reader is not None:
            return _gather((Part(reader, whole, alone=True),), seen)
        found = _gather(parts(whole, mapped), _happened(whole) or seen)
        return _tombstone(key) if key and found.notices == (NO_ROW,) else found
    except NotAPost as notice:
        return Parsed(notices=(notice.reason,))
    except PostError as error:
        return Parsed(problems=(error,))
    except RecursionError:
        return Parsed(problems=(PostError("The value is JSON nested too deeply to be a post."),))


def parse_post(value: bytes) -> Post:
    """The one post of a value.

    Raises:
        NotAPost: it holds none: a control line of a stream, or a blank keep-alive line.
        PostError: it cannot be read, or holds more than one post.
    """
    found = parse_record(value)
    if found.problems:
        raise found.problems[0]
    if not found.posts:
        raise NotAPost(found.notices[0] if found.notices else "A withdrawal is not a post.")
    if len(found.posts) > 1:
        raise PostError(f"{len(found.posts)} posts in one value; one was expected.")
    return found.posts[0]


def time_us(value: bytes) -> datetime | None:
    """When Jetstream saw what a value holds, if it says so."""
    try:
        whole = decode(value)
    except PostError:
        return None
    return moment(whole.get("time_us")) if isinstance(whole, dict) else None


def _happened(whole: Any) -> datetime | None:
    """When a structured CloudEvent happened."""
    return moment(whole.get("time")) if isinstance(whole, dict) and "specversion" in whole else None


def _tombstone(key: bytes) -> Parsed:
    """What the key of an emptied record names; a key may be JSON, with an envelope and a frame."""
    try:
        named_by: Any = decode(key) if key[:1] in (b"{", b'"', b"\0") else key.decode("utf-8", "replace")
        return Parsed(withdrawals=(named(named_by),))
    except PostError:
        return Parsed(withdrawals=(Withdrawal(network="other", id=key.decode("utf-8", "replace"), reason="deleted"),))


def _gather(found: Iterable[Part], seen: datetime | None) -> Parsed:
    posts: list[Post] = []
    withdrawals: list[Withdrawal] = []
    notices: list[str] = []
    problems: list[PostError] = []
    size = 0
    for part in found:
        try:
            answer = part.read(part.value)
            if isinstance(answer, dict):
                posts.append(_post(answer, seen))
                size += len(posts[-1].text)
            elif isinstance(answer, Withdrawal):
                withdrawals.append(answer)
            else:
                withdrawals += answer
        except NotAPost as notice:
            notices.append(notice.reason)
        except PostError as error:
            problems.append(error if part.alone else PostError(error.reason, _json(part.value)))
            size += len(problems[-1].part or b"")
        except Exception as error:  # noqa: BLE001 - a reader that fails costs this part only
            reason = f"The reader of this format failed: {error!r:.300}."
            problems.append(PostError(reason, None if part.alone else _json(part.value)))
            size += len(problems[-1].part or b"")
        if size > MAX_TOGETHER:
            raise PostError(f"The posts of this record have more than {MAX_TOGETHER:,} characters together.")
    return Parsed(tuple(posts), tuple(withdrawals), tuple(notices), tuple(problems))


def _json(part: Fields) -> bytes | None:
    try:
        return orjson.dumps(part)
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(part).encode()


def _post(fields: Fields, seen: datetime | None) -> Post:
    if isinstance(fields["created_at"], NoTime):
        if seen is None:
            raise PostError(fields["created_at"].reason)
        fields["created_at"] = seen
    text = fields.get("text")
    if isinstance(text, str) and "\0" in text:
        fields["text"] = text.replace("\0", "")
    post = _validated(fields)
    if len(post.text) > MAX_TEXT:
        raise PostError(f"The text has {len(post.text):,} characters; the longest accepted has {MAX_TEXT:,}.")
    return post


def _validated(fields: Fields) -> Post:
    """The Post; a wrong value in a field that it can do without makes that fact unknown."""
    for attempt in range(3):
        try:
            return Post.model_validate(fields)
        except ValidationError as error:
            problems = error.errors(include_url=False, include_context=False, include_input=False)
            bad = next((each for each in problems if each["loc"][0] in _NEEDED), None)
            if bad is not None or attempt == 2:
                problem = bad or problems[0]
                where = ".".join(str(part) for part in problem["loc"])
                raise PostError(f"{fields.get('network')!r:.40} post: {where} is wrong: {problem['msg']}.") from None
            fields = _without(fields, problems, whole=attempt == 1)
    raise AssertionError("unreachable")


def _without(fields: Fields, problems: Sequence[ErrorDetails], *, whole: bool) -> Fields:
    """The fields without the values that are wrong, or without the ``whole`` fact that holds them."""
    fields = dict(fields)
    for problem in problems:
        name, *inside = problem["loc"]
        holder: Any = fields.get(str(name))
        if whole or not inside or not isinstance(holder, dict | list):
            fields.pop(str(name), None)
        elif isinstance(holder, dict):
            fields[str(name)] = {key: value for key, value in holder.items() if key != inside[0]}
        else:
            fields[str(name)] = [None if at == inside[0] else value for at, value in enumerate(holder)]
    return {k: [each for each in v if each is not None] if isinstance(v, list) else v for k, v in fields.items()}
