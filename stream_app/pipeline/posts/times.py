"""Times as producers write them, read without the locale; what cannot be a post's time is no time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"
_X = re.compile(r"\w{3} (\w{3}) +(\d\d?) (\d\d):(\d\d):(\d\d) ([+-]\d{4}) (\d{4})", re.ASCII)
_NUMBER = re.compile(r"\d{9,19}(?:\.\d{1,9})?", re.ASCII)
_SLASHES = re.compile(r"(\d{4})/(\d\d?)/(\d\d?)", re.ASCII)
_HALF_DAY = re.compile(r"(.*\D|)(\d\d?)(:\d\d(?::\d\d)?)\s*([ap])\.?m\.?", re.ASCII | re.IGNORECASE)
_ZONE_NAME = re.compile(r"\[[\w/+-]+\]$", re.ASCII)
_COMPACT = re.compile(r"20\d{10}(?:\d\d)?", re.ASCII)
_DOTS = re.compile(r"(\d\d?)\.(\d\d?)\.(\d{4})", re.ASCII)
_NET = re.compile(r"/Date\((\d{9,16})(?:[+-]\d{4})?\)/", re.ASCII)
_HOUR_FIRST = re.compile(r"(\d\d?:\d\d(?::\d\d)?(?: ?[AaPp]\.?[Mm]\.?)?) [·-] (.+)")
_LEAP = re.compile(r"(\d\d:\d\d):60")
_FIRST = 946_684_800.0  # 2000-01-01
_DAY = 86_400.0
_UNITS = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (1e20, 1e9))


def moment(value: object) -> datetime | None:
    """A time in UTC, or None for what is none or lies before 2000 or more than a day ahead.

    ISO 8601 (without a zone UTC), ``Wed Oct 10 20:19:24 +0000 2018`` (X), RFC 2822, ``2018-10-10 20:19:24 UTC``, or
    seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by size, as a number or in a string.
    Second 60 of a leap second is read as second 59.
    """
    if type(value) is str:
        found = _written(value)
    elif type(value) in (int, float):
        found = _counted(value)  # type: ignore[arg-type]
    elif type(value) is dict:
        return _wrapped(value)
    elif type(value) is list:
        found = _listed(value)
    else:
        return None
    if found is not None and _FIRST <= found.timestamp() <= time.time() + _DAY:
        return found
    return _digits(value) if type(value) in (int, str) and _COMPACT.fullmatch(str(value)) else None


def _wrapped(value: dict[str, object]) -> datetime | None:
    """MongoDB's extended JSON, Firestore's and Protobuf's seconds."""
    if len(value) == 1 and (inner := value.get("$date", value.get("$numberLong"))) is not None:
        return moment(inner)
    return moment(value.get("seconds", value.get("_seconds")))


def _listed(parts: list[object]) -> datetime | None:
    """Year, month, day, hour, minute, second: as Java's serialisers write a time without a zone."""
    numbers = [part for part in parts[:6] if type(part) is int]
    try:
        whole = 3 <= len(numbers) == len(parts[:6])
        return datetime(*numbers).replace(tzinfo=UTC) if whole else None  # type: ignore[arg-type]  # noqa: DTZ001
    except (ValueError, OverflowError):
        return None


def _digits(value: object) -> datetime | None:
    """``20260603100000``, with or without seconds, which no count since 1970 within reason looks like."""
    digits = str(value)
    try:
        return moment(datetime.strptime(digits, "%Y%m%d%H%M%S"[: len(digits) - 2]).replace(tzinfo=UTC).isoformat())
    except ValueError:
        return None


def _written(value: str) -> datetime | None:
    if len(value) > 64:
        return None
    if value[3:4] == " " and (found := _X.fullmatch(value)) is not None:
        return _x(*found.groups())
    if value[3:4] in (" ", ","):  # a weekday's name: RFC 2822
        return _other(value.strip())
    try:
        parsed = datetime.fromisoformat(value)
        return (
            parsed if parsed.tzinfo is UTC else parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
        )
    except OverflowError:
        return None
    except ValueError:
        return _other(value.strip())


def _other(value: str) -> datetime | None:
    if _NUMBER.fullmatch(value):
        return _counted(float(value))
    if net := _NET.fullmatch(value):
        return _counted(float(net[1]))
    value = value.replace("\u2212", "-").replace(" · ", " - ")
    if first := _HOUR_FIRST.fullmatch(value):  # as X's pages have it
        value = f"{first[2]} {first[1]}"
    value = _DOTS.sub(lambda found: f"{found[3]}-{int(found[2]):02}-{int(found[1]):02}", value)
    value = _ZONE_NAME.sub("", _LEAP.sub(r"\1:59", value))
    value = _SLASHES.sub(lambda found: f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}", value)
    if half := _HALF_DAY.fullmatch(value):
        hour = int(half[2]) % 12 + 12 * (half[4] in "pP")
        value = f"{half[1]}{hour:02}{half[3]}"
    if (found := _X.fullmatch(value)) is not None:
        return _x(*found.groups())
    for ending in (" UTC", " GMT", "Z", "z"):
        value = value.removesuffix(ending)
    try:
        parsed = datetime.fromisoformat(value.upper())
    except ValueError:
        try:
            parsed = parsedate_to_datetime(value)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None
    try:
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except OverflowError:
        return None


def _x(month: str, day: str, hour: str, minute: str, second: str, zone: str, year: str) -> datetime | None:
    try:
        local = datetime(
            int(year), _MONTHS.index(month) // 3 + 1, int(day), int(hour), int(minute), int(second), tzinfo=UTC
        )
        return local - timedelta(hours=int(zone[:3]), minutes=int(zone[0] + zone[3:]))
    except (ValueError, OverflowError):
        return None


def _counted(number: float) -> datetime | None:
    for limit, unit in _UNITS:
        if 0 < number < limit:
            return datetime.fromtimestamp(number / unit, UTC)
    return None
