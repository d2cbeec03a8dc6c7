"""Bytes in, all that they hold out: posts, withdrawals, notices and problems, whichever network's format it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import orjson
from pydantic import ValidationError
from pydantic_core import from_json

from stream_app.pipeline.posts import bluesky, mastodon, own, x_v1, x_v2
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Post, Withdrawal

__all__ = ["MAX_TEXT", "NotAPost", "Parsed", "PostError", "parse_post", "parse_record"]

MAX_TEXT = 100_000
"""Characters; four times the longest post that X sells."""

Headers = Sequence[tuple[str, bytes]]


class Parsed(NamedTuple):
    """All that one record held. A record is done with when each of these has come to its end.

    ``problems`` are what could not be read: of a page with one bad post, that post alone (:attr:`PostError.part`).
    """

    posts: tuple[Post, ...] = ()
    withdrawals: tuple[Withdrawal, ...] = ()
    notices: tuple[str, ...] = ()
    problems: tuple[PostError, ...] = ()


def parse_record(value: bytes | None, headers: Headers = (), timestamp: float | None = None) -> Parsed:  # noqa: ARG001
    """Read all that a record holds: X API v2, X v1.1, Bluesky, Mastodon or our own Post, told apart by shape.

    Args:
        value: The record's value, or a line of a file.
        headers: The record's headers.
        timestamp: The record's own time in seconds since 1970, for a post whose time cannot be.
    """
    if not value or value.isspace():
        return Parsed(notices=("A blank line keeps a stream alive and is not a post.",))
    try:
        parsed = from_json(value, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        return Parsed(problems=(PostError(f"The value is not valid JSON: {error}."),))
    if not isinstance(parsed, dict):
        return Parsed(
            problems=(PostError(f"The value is a JSON {_kind(parsed)}; one object with one post was expected."),)
        )
    return _gather(_parts(parsed))


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


def _gather(parts: Iterable[tuple[Fields, bool]]) -> Parsed:
    posts, notices, problems = [], [], []
    for part, alone in parts:
        try:
            posts.append(_post(_read(part)))
        except NotAPost as notice:
            notices.append(notice.reason)
        except PostError as error:
            problems.append(error if alone else PostError(error.reason, _json(part)))
    return Parsed(tuple(posts), (), tuple(notices), tuple(problems))


def _json(part: Fields) -> bytes:
    try:
        return orjson.dumps(part)
    except TypeError:  # whole numbers of more than 64 bits
        return json.dumps(part).encode()


def _parts(value: Fields) -> Iterator[tuple[Fields, bool]]:
    """The posts of a page each by itself; whatever else it is, whole (and True)."""
    data = value.get("data")
    if isinstance(data, list):
        yield from ((part, False) for part in x_v2.posts_of_page(value))
    else:
        yield value, True


def _post(fields: Fields) -> Post:
    try:
        post = Post.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise PostError(f"{fields.get('network')!r:.40} post: {where} is wrong: {problem['msg']}.") from None
    if len(post.text) > MAX_TEXT:
        raise PostError(f"The text has {len(post.text):,} characters; the longest accepted has {MAX_TEXT:,}.")
    return post


def _read(value: Fields) -> Fields:
    """Choose the format by the fields that only it has."""
    if "data" in value:
        if isinstance(value["data"], dict):
            return x_v2.read(value)
        raise PostError(f"X API v2 line: data is a JSON {_kind(value['data'])}, neither a post nor a list of posts.")
    if "network" in value:
        return own.read(value)
    if "did" in value:
        return bluesky.read(value)
    if "account" in value:
        return mastodon.read(value)
    if "event" in value:
        return mastodon.read_event(value)
    if "text" in value or "full_text" in value or "retweeted_status" in value:
        return x_v1.read(value)
    if control := sorted(x_v1.CONTROL & value.keys()) or sorted({"errors"} & value.keys()):
        raise NotAPost(f"X stream: a {control[0]} notice is not a post.")
    names = ", ".join(sorted(value)[:6])[:200]
    raise PostError(f"An object with the fields [{names}] is in none of the known formats (docs/formats.md).")


def _kind(value: Any) -> str:
    names = {list: "list", str: "string", bool: "boolean", int: "number", float: "number", dict: "object"}
    return names.get(type(value), "null")
