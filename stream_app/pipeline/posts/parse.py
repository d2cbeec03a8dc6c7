"""Bytes in, a :class:`~stream_app.pipeline.posts.post.Post` out, whichever network's format they hold."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import from_json

from stream_app.pipeline.posts import bluesky, mastodon, own, x_v1, x_v2
from stream_app.pipeline.posts.errors import NotAPost, PostError
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Post

__all__ = ["MAX_TEXT", "NotAPost", "PostError", "parse_post"]

MAX_TEXT = 100_000
"""Characters; four times the longest post that X sells."""


def parse_post(value: bytes) -> Post:
    """Read one post: X API v2, X v1.1, Bluesky Jetstream, Mastodon or our own Post, told apart by shape.

    Raises:
        NotAPost: a control line of a stream, or a blank keep-alive line.
        PostError: anything else that is not a post; no other exception leaves.
    """
    if not value or value.isspace():
        raise NotAPost("A blank line keeps a stream alive and is not a post.")
    try:
        parsed = from_json(value, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        raise PostError(f"The value is not valid JSON: {error}.") from None
    if not isinstance(parsed, dict):
        raise PostError(f"The value is a JSON {_kind(parsed)}; one object with one post was expected.")
    fields = _read(parsed)
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
        raise PostError(f"X API v2 line: data is a JSON {_kind(value['data'])}; send one post a message.")
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
