"""Reading facts out of JSON that strangers wrote: what has the wrong type is absent, never an exception.

A post must not be lost for a malformed follower count, so everything optional is read through these. What a post
cannot do without (its id, its time) goes through :func:`required_id` and :func:`required_time`, which raise.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.times import moment

__all__ = [
    "Fields",
    "NoTime",
    "author_key",
    "centre",
    "content_token",
    "count",
    "country",
    "flag",
    "hashtags",
    "identifier",
    "mapping",
    "media_link",
    "moment",
    "numbers",
    "position",
    "required_id",
    "required_time",
    "rows",
    "string",
    "web_address",
]

Fields = dict[str, Any]
"""A JSON object, or the fields of a :class:`~stream_app.pipeline.posts.post.Post` before validation."""

_MAX_COUNT = 2**53
_ROUNDED = re.compile(r"\d[.,]\d+E\+\d+")
_MAX_ID = 1_000
_MAX_ADDRESS = 4_096
_NOTHING: Fields = {}


def mapping(value: object) -> Fields:
    """The JSON object itself, or an empty one for anything else."""
    return value if isinstance(value, dict) else _NOTHING


def rows(value: object) -> list[Fields]:
    """The objects of a JSON list; empty for anything else."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def string(value: object) -> str | None:
    """A string that is not empty, or None."""
    return value if isinstance(value, str) and value else None


def count(value: object) -> int | None:
    """A whole number from 0 to 2^53, also where it is written as a string, or None. True and False are no numbers."""
    if type(value) is int:
        return value if 0 <= value < _MAX_COUNT else None
    if type(value) is str and value.isascii() and value.isdigit() and len(value) < 16:
        return int(value)
    if type(value) is float and value.is_integer():
        return count(int(value))
    return None


def flag(value: object) -> bool | None:
    """A boolean, or None."""
    return value if isinstance(value, bool) else None


def identifier(value: object) -> str | None:
    """An id as a string, whether it was written as a string or as a whole number, or None."""
    if type(value) is str:
        return value or None
    if type(value) is int:
        return str(value) if abs(value) < 2**64 else None
    if type(value) is float and value.is_integer() and abs(value) < _MAX_COUNT:  # a table's column with gaps
        return str(int(value))
    if type(value) is dict:  # MongoDB's extended JSON
        return string(value.get("$numberLong")) or string(value.get("$oid"))
    return None


def numbers(value: object, length: int) -> tuple[float, ...] | None:
    """A JSON list of exactly ``length`` finite numbers as a tuple, or None."""
    if not isinstance(value, list) or len(value) != length:
        return None
    if not all(type(number) in (int, float) and -1e9 < number < 1e9 for number in value):
        return None
    return tuple(value)


def country(value: object) -> str | None:
    """An ISO 3166-1 alpha-2 code in capitals, or None."""
    return value.upper() if isinstance(value, str) and len(value) == 2 and value.isascii() and value.isalpha() else None


def hashtags(values: Iterable[object]) -> tuple[str, ...]:
    """The hashtags that are strings, without their #, each once, in order."""
    return tuple(dict.fromkeys(tag for value in values if (tag := (string(value) or "").lstrip("#"))))


def web_address(value: object) -> str | None:
    """An http or https address of at most 4,096 characters, or None: nothing else may become a link on a page."""
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        return None
    return value if len(value) <= _MAX_ADDRESS else None


def media_link(url: object, alt_text: object = None) -> list[Fields]:
    """One ``MediaLink`` in a list, or no link when ``url`` is not a web address."""
    address = web_address(url)
    return [{"url": address, "alt_text": string(alt_text)}] if address else []


def author_key(network: str, author_id: object) -> str | None:
    """First 16 hex digits of SHA-256 of ``network:author id``; None when there is no id."""
    name = identifier(author_id)
    if name is None:
        return None
    return hashlib.sha256(f"{network}:{name}".encode("utf-8", "replace")).hexdigest()[:16]


def position(longitude: float, latitude: float) -> Fields | None:
    """``latitude`` and ``longitude`` in degrees when they are on Earth, or None."""
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        return None
    return {"latitude": latitude, "longitude": longitude}


def centre(west: float, south: float, east: float, north: float) -> Fields | None:
    """The middle of a box in degrees; a box with west > east crosses the antimeridian."""
    longitude = (west + east) / 2 if west <= east else ((west + east + 360) / 2 + 180) % 360 - 180
    return position(longitude, (south + north) / 2)


def required_id(value: object, field: str, network: str) -> str:
    """The post's id.

    Raises:
        PostError: it is missing, empty, not a string or whole number, or longer than 1,000 characters.
    """
    found = identifier(value)
    if found is None:
        raise PostError(f"{network}: {field} is missing or is not a string.")
    if "E+" in found and _ROUNDED.fullmatch(found):
        raise PostError(f"{network}: {field} is {found:.40}: a spreadsheet has rounded it, and many posts may have it.")
    if len(found) > _MAX_ID:
        raise PostError(f"{network}: {field} has {len(found):,} characters, which is no id.")
    return found


class NoTime(NamedTuple):
    """In place of a post's time where it has none; ``reason`` is what a dead letter says if nobody knows a better."""

    reason: str


def required_time(value: datetime | None, field: str, network: str) -> datetime | NoTime:
    """The post's time, or that there is none: then the record's own time stands in."""
    return value or NoTime(f"{network}: {field} is missing or is not a time.")


def content_token(fields: Fields) -> str:
    """12 hex digits of SHA-256 of a post's text and the addresses of its media: the same for the same version."""
    parts = [str(fields.get("text", "")), *(str(row["url"]) for row in fields.get("media", ()))]
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:12]
