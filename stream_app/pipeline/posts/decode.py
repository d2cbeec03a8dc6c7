"""Bytes become a JSON value: strictly first, which is fast, and leniently where that fails.

What is not needed never costs a post, so half surrogates, wrong UTF-8, a byte order mark, NUL, NaN, endless whole
numbers, control characters in strings, ``window.YTD.tweets.part0 =``, the words of an event stream, gzip and a
registry's frame are all read past. Several values one after the other are a list of them.
"""

from __future__ import annotations

import codecs
import json
import re
import zlib
from typing import Any

from pydantic_core import from_json

from stream_app.pipeline.posts.errors import NotAPost, PostError

_ASSIGNED = re.compile(r"\s*(?:(?:var|const|let)\s+)?[A-Za-z_$][\w$.]*\s*=\s*(?=[\[{])")
_HALF = re.compile("[\ud800-\udfff]")
_JSON_STARTS = b'{["'
_LONG = 25
_FRAMES = ((b"\x01", 17), (b"\x03", 18), (b"\0", 9), (b"\0\0\0\0", 36))
"""Of Confluent's newer frame, with a schema's GUID; of AWS Glue's: a version, a compression, a schema's UUID; of
Apicurio's with 8 bytes of id; and of Azure's first."""
_GLUE_ZLIB = b"\x03\x05"
_STREAMED = ("data:", "event:", "id:", "retry:", ":")
_BLANK = re.compile(r"[\s\0,]*")
_MOST_BYTES = 16 * 1024 * 1024


class FramedError(PostError):
    """A Schema Registry frame before something that is not JSON: ``schema_id`` says how ``payload`` is written."""

    def __init__(self, schema_id: int, payload: bytes) -> None:
        super().__init__(
            f"A Schema Registry frame (schema id {schema_id}) before something that is not JSON, such as Avro or "
            "Protobuf: those are read where feed.registry.url says who knows the schema."
        )
        self.schema_id, self.payload = schema_id, payload


def decode(value: bytes) -> Any:
    """The JSON value of ``value``.

    Raises:
        FramedError: a Schema Registry frame before something that is not JSON.
        NotAPost: it is a comment of an event stream.
        PostError: it is no JSON, however kindly read.
    """
    try:
        return from_json(value, allow_inf_nan=False, cache_strings="keys")
    except ValueError as error:
        return _leniently(value, str(error))


def _leniently(value: bytes, why: str) -> Any:
    text = _text(_unframed(_unzipped(value))).strip("\0\x1e \t\r\n\ufeff")
    text = text[found.end() :].rstrip("; \r\n") if (found := _ASSIGNED.match(text)) else text
    text = _event_stream(text) if text.startswith(_STREAMED) else text
    if text[:1] not in ("{", "[", '"'):
        raise PostError(f"The value is not valid JSON: {why}.")
    try:
        parsed = _all_of(text)
        return _whole(parsed) if "\\u" in text else parsed
    except RecursionError:
        raise PostError("The value is JSON nested too deeply to be a post.") from None
    except ValueError:
        raise PostError(f"The value is not valid JSON: {why}.") from None


def _unframed(value: bytes) -> bytes:
    """The value without a registry's frame before its JSON; UTF-16 without a byte order mark is given one.

    Raises:
        FramedError: what follows the frame is not JSON.
    """
    if value[:2] == b"\0{" and value[2:3] == b"\0":
        return codecs.BOM_UTF16_BE + value
    if value[:2] in (b"{\0", b"[\0") and value[3:4] == b"\0":
        return codecs.BOM_UTF16_LE + value
    if value[:2] == _GLUE_ZLIB:
        value = value[:18] + _inflated(value[18:], zlib.MAX_WBITS)
    for version, length in _FRAMES:
        if value.startswith(version) and value[length : length + 1] in (b"{", b"["):
            return value[length:]
    if value[:1] != b"\0" or len(value) <= 5:
        return value
    body = value[5:].lstrip()
    if body[:1] in (b"{", b"[", b'"'):
        return body
    stripped = value.lstrip(b"\0 \t\r\n")
    if stripped[:1] not in (b"{", b"["):
        raise FramedError(int.from_bytes(value[1:5]), value[5:])
    return stripped


def _all_of(text: str) -> Any:
    """The JSON value of a text; of several, one after the other (JSON Lines in one message), a list."""
    found, at = [], 0
    while at < len(text):
        value, at = _DECODER.raw_decode(text, at)
        found.append(value)
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
    return found[0] if len(found) == 1 else found


def _event_stream(text: str) -> str:
    """A Server-Sent Event's data, with its kind as Mastodon's websocket has it (WHATWG HTML, section 9.2)."""
    lines = [line.partition(":") for line in text.splitlines()]
    if all(name not in ("data", "event") for name, _, _ in lines):
        raise NotAPost("A comment keeps a stream alive and is not a post.")
    data = "\n".join(rest.removeprefix(" ") for name, _, rest in lines if name == "data")
    kind = next((rest.strip() for name, _, rest in lines if name == "event"), None)
    return json.dumps({"event": kind, "payload": data}) if kind in ("update", "status.update", "delete") else data


def _unzipped(value: bytes) -> bytes:
    if value[:2] != b"\x1f\x8b":
        return value
    return _inflated(value, zlib.MAX_WBITS | 16)


def _inflated(value: bytes, bits: int) -> bytes:
    try:
        return zlib.decompressobj(bits).decompress(value, _MOST_BYTES)
    except zlib.error:
        return value


def _text(value: bytes) -> str:
    if value.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return value.decode("utf-32", "replace")
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
