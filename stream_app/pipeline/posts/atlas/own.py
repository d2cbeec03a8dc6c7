"""A gazetteer of the user's own: villages and districts of a region, as CSV or as GeoJSON (an OSM extract)."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from stream_app.pipeline.posts.atlas.atlas import FILE, Atlas, Found, Named, weight
from stream_app.pipeline.posts.atlas.fold import key_of
from stream_app.pipeline.posts.facts import country, string

_LEAST_PEOPLE = 10_000
"""A place that somebody took the trouble to list counts as a town of so many people at least."""
_COLUMNS = {"lat": "latitude", "lon": "longitude", "lng": "longitude", "country": "country_code", "alias": "aliases"}
_NAMES = ("name", "alt_name", "old_name", "loc_name", "short_name", "official_name")


class GazetteerError(ValueError):
    """The file cannot be read as a gazetteer; the message says which line of it and why."""


class Entry(NamedTuple):
    """A place and all its names."""

    named: Named
    names: tuple[str, ...]


def read_gazetteer(path: Path) -> list[Entry]:
    """The places in a file: ``.geojson`` and ``.json`` are GeoJSON, all else CSV with a header.

    Columns: ``name``, ``latitude`` (or ``lat``), ``longitude`` (``lon``), and if you have them ``country_code``,
    ``population`` and ``aliases`` (parted by ``;``). GeoJSON: points, or shapes whose middle is taken, with
    OpenStreetMap's properties (``name``, ``name:si``, ``alt_name``, ``population``).

    Raises:
        GazetteerError: the file is not there, or a line of it is no place.
    """
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise GazetteerError(f"place.gazetteer: {path} cannot be read: {error}") from error
    found = list(_geojson(path, text) if path.suffix in (".geojson", ".json") else _csv(path, text))
    if not found:
        raise GazetteerError(f"place.gazetteer: {path} holds no place.")
    return found


class OwnAtlas(Atlas):
    """The shipped atlas with a user's places over it: where both know a name, the user's own comes first."""

    def __init__(self, entries: Iterable[Entry], path: Path = FILE) -> None:
        super().__init__(path)
        self._own: defaultdict[str, list[Named]] = defaultdict(list)
        self._beginnings: set[str] = set()
        for entry in entries:
            for key in {key_of(name) for name in entry.names} - {""}:
                self._own[key].append(entry.named)
                words = key.split(" ")
                self._beginnings.update(" ".join(words[:count]) for count in range(1, len(words) + 1))
                self._beginnings.add(key[:2])

    def begins(self, key: str) -> bool:
        """The same with the names of one's own."""
        return key in self._beginnings or super().begins(key)

    def _find(self, key: str) -> Found:
        shipped, own = super()._find(key), self._own.get(key)
        return Found((*own, *shipped.meanings), shipped.ordinary) if own else shipped


def _csv(path: Path, text: str) -> Iterator[Entry]:
    rows = csv.DictReader(text.splitlines())
    for row in rows:
        fields = {
            _COLUMNS.get(name.strip().lower(), name.strip().lower()): value for name, value in row.items() if name
        }
        aliases = str(fields.get("aliases") or "").replace("|", ";").split(";")
        where = f"place.gazetteer: {path}, line {rows.line_num}"
        yield _entry(where, fields, (str(fields.get("name") or ""), *aliases))


def _geojson(path: Path, text: str) -> Iterator[Entry]:
    try:
        features = json.loads(text)["features"]
    except (ValueError, KeyError, TypeError) as error:
        raise GazetteerError(f"place.gazetteer: {path} is no GeoJSON with features: {error}") from error
    for number, feature in enumerate(features, 1):
        where = f"place.gazetteer: {path}, feature {number}"
        try:
            told, spots = feature["properties"] or {}, list(_spots(feature["geometry"]["coordinates"]))
            east_to_west, south_to_north = zip(*spots, strict=True)
        except (KeyError, TypeError, ValueError) as error:
            raise GazetteerError(f"{where} has no properties or no position: {error!r}") from error
        if not told.get("name"):
            continue  # an extract holds much that has no name
        names = [str(told[name]) for name in told if name in _NAMES or name.startswith("name:")]
        fields = {**told, "latitude": _middle(south_to_north), "longitude": _middle(east_to_west)}
        yield _entry(where, fields, tuple(chain.from_iterable(name.split(";") for name in names)))


def _spots(coordinates: Any) -> Iterator[tuple[float, float]]:
    if coordinates and isinstance(coordinates[0], (int, float)):
        yield float(coordinates[0]), float(coordinates[1])
    else:
        for each in coordinates:
            yield from _spots(each)


def _middle(numbers: tuple[float, ...]) -> float:
    return (min(numbers) + max(numbers)) / 2


def _entry(where: str, fields: Mapping[str, Any], names: tuple[str, ...]) -> Entry:
    name = names[0].strip() if names else ""
    if not name:
        raise GazetteerError(f"{where} has no name.")
    try:
        latitude, longitude = float(fields["latitude"]), float(fields["longitude"])
    except (KeyError, TypeError, ValueError) as error:
        raise GazetteerError(f"{where} ({name}) needs latitude and longitude in degrees.") from error
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise GazetteerError(f"{where} ({name}): {latitude}, {longitude} is not on Earth; latitude is -90 to 90.")
    people = str(fields.get("population") or "").replace(",", "").replace(" ", "")
    population = max(_LEAST_PEOPLE, int(people) if people.isdigit() else 0)
    named = Named(
        "city", name, country(string(fields.get("country_code"))) or "", "", latitude, longitude, population,
        own=True, weight=weight("city", population, own=True),
    )  # fmt: skip
    return Entry(named, tuple(each.strip() for each in names if each.strip()))
