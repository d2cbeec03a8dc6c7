"""Positions written in a text: degrees in the usual ways, geo: URIs, links to maps, and plus codes."""

from __future__ import annotations

import re
from typing import NamedTuple

from openlocationcode import openlocationcode


class Spot(NamedTuple):
    """Degrees, WGS 84, and the kilometres the writing leaves open."""

    latitude: float
    longitude: float
    error_km: float


class ShortCode(NamedTuple):
    """A plus code that needs a place near by: ``WVJ2+P9 Colombo``; ``end`` is where it ends in the text."""

    code: str
    end: int


_NUMBER = r"[-+−]?\d{1,3}\.\d{1,10}"
_SIGNS = re.compile(r"[.°+](?:(?<=\d\.)\d|(?<=°)|(?<=\+)[23456789CFGHJMPQRVWX]{2})")
"""What every position in a text has: looked for first. What all begin with stands in front, for speed."""
_LETTERS = re.compile(
    rf"(?P<lat>{_NUMBER}|\d{{1,2}})\s*°?\s*(?P<ns>[NS])\b[\s,;/]*(?P<lon>{_NUMBER}|\d{{1,3}})\s*°?\s*(?P<ew>[EWO])\b",
    re.IGNORECASE,
)
_MINUTES = r"(\d{1,3})\s*°\s*(\d{1,2})\s*['′’]\s*(?:(\d{1,2}(?:\.\d+)?)\s*(?:[\"″”]|''))?\s*"
_SEXAGESIMAL = re.compile(rf"{_MINUTES}([NS])[\s,;/]*{_MINUTES}([EWO])", re.IGNORECASE)
_OSM = re.compile(rf"mlat=({_NUMBER})&mlon=({_NUMBER})")
_PAIR = re.compile(rf"(?<![\w.$€£])({_NUMBER})\s*°?\s*(?:,|%2C|;|/)\s*({_NUMBER})(?![\d.]*[\w%])", re.IGNORECASE)
_LEAST_DIGITS = 2
_MARKS = re.compile(
    r"(?:geo:|ll=|q=|@|mlat=|\b(?:at|location|position|gps|coord\w*|lat\w*|here|ubicaci[oó]n)\b[\s:(]*)$"
)
_OLC = "23456789CFGHJMPQRVWX"
_PLUS = re.compile(
    rf"(?<![\w+])((?:[23456789C][23456789CFGHJMPQRV][{_OLC}]{{2}})?[{_OLC}]{{4}}\+[{_OLC}]{{2,3}})(?!\w)"
)
_WEST = ("W", "O")
_KM_PER_DEGREE = 111.2


def spot_in(text: str) -> Spot | None:
    """The first position written in ``text``, or None.

    Two bare decimals need three digits each, or a sign, or a word such as ``at`` before them: prices come in pairs too.
    """
    if _SIGNS.search(text) is None:
        return None
    return _lettered(text) or _sexagesimal(text) or _pair(text) or _full_code(text)


def short_code_in(text: str) -> ShortCode | None:
    """A plus code without its first four characters, or None."""
    if "+" not in text:
        return None
    found = next((each for each in _PLUS.finditer(text) if not openlocationcode.isFull(each[1])), None)
    return ShortCode(found[1], found.end()) if found and openlocationcode.isShort(found[1]) else None


def recovered(code: str, latitude: float, longitude: float) -> Spot:
    """Where a short plus code is, read near a position in degrees."""
    return _middle(openlocationcode.recoverNearest(code, latitude, longitude))


def _lettered(text: str) -> Spot | None:
    for found in _LETTERS.finditer(text):
        if "." not in found[0] and "°" not in found[0]:
            continue
        latitude, longitude = _float(found["lat"]), _float(found["lon"])
        south, west = found["ns"].upper() == "S", found["ew"].upper() in _WEST
        spot = _spot(
            -abs(latitude) if south else latitude, -abs(longitude) if west else longitude, _digits(found["lat"])
        )
        if spot:
            return spot
    return None


def _sexagesimal(text: str) -> Spot | None:
    found = _SEXAGESIMAL.search(text)
    if found is None:
        return None
    d, m, s, ns, e, n, t, ew = found.groups()
    latitude = int(d) + int(m) / 60 + float(s or 0) / 3600
    longitude = int(e) + int(n) / 60 + float(t or 0) / 3600
    return _spot(
        -latitude if ns.upper() == "S" else latitude, -longitude if ew.upper() in _WEST else longitude, 4 if s else 2
    )


def _pair(text: str) -> Spot | None:
    for found in (*_OSM.finditer(text), *_PAIR.finditer(text)):
        digits = min(_digits(found[1]), _digits(found[2]))
        before = text[max(0, found.start() - 20) : found.start()].lower()
        exact = min(_digits(found[1]), _digits(found[2])) > _LEAST_DIGITS
        if exact or found[1][0] in "-+−" or "°" in found[0] or _MARKS.search(before):
            spot = _spot(_float(found[1]), _float(found[2]), digits)
            if spot:
                return spot
    return None


def _full_code(text: str) -> Spot | None:
    for found in _PLUS.finditer(text):
        if openlocationcode.isFull(found[1]):
            return _middle(found[1])
    return None


def _middle(code: str) -> Spot:
    area = openlocationcode.decode(code)
    high = area.latitudeHi - area.latitudeLo
    return Spot(round(area.latitudeCenter, 6), round(area.longitudeCenter, 6), round(high * _KM_PER_DEGREE, 3))


def _spot(latitude: float, longitude: float, digits: int) -> Spot | None:
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or (latitude == 0 and longitude == 0):
        return None
    return Spot(round(latitude, 6), round(longitude, 6), round(_KM_PER_DEGREE / 10**digits, 3))


def _float(number: str) -> float:
    return float(number.replace("−", "-"))


def _digits(number: str) -> int:
    return len(number.partition(".")[2])
