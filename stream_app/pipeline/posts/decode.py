"""Bytes become a JSON value: strictly first, which is fast, and leniently where that fails.

What is not needed never costs a post, so half surrogates, wrong UTF-8, a byte order mark, NUL, NaN, endless whole
numbers, control characters in strings, ``window.YTD.tweets.part0 =`` and a Schema Registry frame are all read past.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

from pydantic_core import from_json

from stream_app.pipeline.posts.errors import PostError

_ASSIGNED = re.compile(r"\s*(?:(?:var|const|let)\s+)?[A-Za-z_$][\w$.]*\s*=\s*(?=[\[{])")
_HALF = re.compile("[\ud800-\udfff]")
_JSON_STARTS = b'{["'
_LONG = 25


class FramedError(PostError):
    """A Schema Registry frame before something that is not JSON: ``schema_id`` says how ``payload`` is written."""

    def __init__(self, schema_id: int, payload: bytes) -> None:
        super().__init__(
            f"A Schema Registry frame (schema id {schema_id}) before something that is not JSON, such as Avro or "
            "Protobuf: a worker reads those where feed.registry.url says who knows the schema."
        )
        self.schema_id, self.payload = schema_id, payload


def decode(value: bytes) -> Any:
    """The JSON value of ``value``.

    Raises:
        FramedError: a Schema Registry frame before something that is not JSON.
        PostError: it is no JSON, however kindly read.
    """
    try:
        return from_json(value, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        return _leniently(value, str(error))


def _leniently(value: bytes, why: str) -> Any:
    if value[:1] == b"\0" and len(value) > 5:
        body = value[5:].lstrip()
        if body[:1] not in (b"{", b"[", b'"'):
            stripped = value.lstrip(b"\0 \t\r\n")
            if stripped[:1] not in (b"{", b"["):
                raise FramedError(int.from_bytes(value[1:5]), value[5:])
            body = stripped
        value = body
    elif value[:1] == b"\x01" and value[17:18] in (b"{", b"["):
        value = value[17:]  # the newer frame: a schema's GUID
    text = _text(value).strip("\0 \t\r\n\ufeff")
    text = text[found.end() :].rstrip("; \r\n") if (found := _ASSIGNED.match(text)) else text
    if text[:1] not in ("{", "[", '"'):
        raise PostError(f"The value is not valid JSON: {why}.")
    try:
        parsed = _DECODER.decode(text)
        return _whole(parsed) if "\\u" in text else parsed
    except RecursionError:
        raise PostError("The value is JSON nested too deeply to be a post.") from None
    except ValueError:
        raise PostError(f"The value is not valid JSON: {why}.") from None


def _text(value: bytes) -> str:
    if value.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return value.decode("utf-16", "replace")
    return value.decode("utf-8-sig", "replace")


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < _LONG else float(digits)


def _whole(value: Any) -> Any:
    """The value with U+FFFD in place of each half of a surrogate pair."""
    if isinstance(value, str):
        return value if value.isascii() else _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_whole(each) for each in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(each) for key, each in value.items()}
    return value


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer, parse_constant=lambda _: None)
