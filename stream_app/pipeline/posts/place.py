"""Where a post speaks of: its point, else the network's place, else a name in its text found in the gazetteer.

From text the rule is cautious, since a wrong pin misleads more than none:

- the longest name wins, spelled with capitals (``NEPAL`` counts, ``nepal`` only as a hashtag); ``#NepalQuake`` is
  read as words; links and @names are skipped;
- a name right after Hurricane, Typhoon, President, Gulf of and the like is not a place;
- a city counts when its country or US state is named too (``Paris, Texas``), or when no country is named and it is
  large (100,000 people for a one-word name, 15,000 for a longer one) and twice as large as any other of its name;
- a smaller one (15,000) counts when something speaks for it: ``in`` or ``near`` before it, a hashtag of its own, or
  ``floods``, ``district`` and the like after it;
- a first name before or a family name after (``Sydney Sweeney``, ``George Washington``) makes it a person;
- otherwise the state or country named first: a coarse place, whose position is its middle, with a large ``reach_km``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple

from stream_app.pipeline.posts.gazetteer import CAPITALISED, Gazetteer, Named, gazetteer
from stream_app.pipeline.posts.post import Place

_LOOK_AT = 2_000
"""Characters of a text that are searched."""
_LARGE = 100_000
_TOKENS = re.compile(r"https?://\S+|[@$]\w+|#(?P<tag>\w+)|(?P<word>[^\W\d_]+(?:['’-][^\W\d_]+)*)")
_TAGS = re.compile(r"#(\w+)")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z][a-z]+|[A-Z]+|[a-z]+")
_STATE_AFTER = re.compile(r", ?([A-Z]{2})\b")
_STORMS = ("Hurricane", "Huracán", "Huracan", "Typhoon", "Cyclone", "Storm")
_TITLES = ("President", "Governor", "Gov", "Mayor", "Senator", "Sen", "Judge", "Mr", "Mrs", "Ms", "Dr")
_NOT_BEFORE = frozenset((*_STORMS, *_TITLES))
_ABBREVIATED = frozenset(["St", "Ft", "Mt"])
_IN = frozenset(
    """
    in near at from around across outside reach hits hit en cerca desde à près em perto bei nahe aus di vicino
    """.replace("\n", " ").split()
)
"""Words before a place in English, Spanish, French, Portuguese, German, Indonesian and Italian."""
_AFTER = frozenset(
    """
    flood floods flooded flooding floodwaters earthquake quake landslide landslides fire wildfire storm cyclone
    tornado tsunami district province county town city village area region hospital residents police airport
    bridge river road harbour harbor needs evacuated underwater victims attack attacks
    """.replace("\n", " ").split()
)
"""Words after a place that say it is one."""
_GIVEN = frozenset(
    """
    Abraham Adam Alex Alexander Andrew Anna Anthony Barack Ben Bill Bob Brad Charles Chris Daniel David Denzel
    Donald Ed Emily Emma George Henry Isaac Jack Jacob James Jane Jason Jennifer Jim Joe John Jose Joseph Kate
    Kevin Laura Lee Louis Lucy Luis Luke Maria Mark Mary Michael Mike Paul Peter Richard Robert Sam Sarah Scott
    Simon Steve Thomas Tim Tom Tony William
    """.replace("\n", " ").split()
)
_ALSO_GIVEN = frozenset(
    """
    Adelaide Alexandria Austin Brooklyn Carolina Charlotte Chelsea Dakota Dallas Florence Georgia Houston India
    Ireland Jackson Kingston Lincoln London Lourdes Madison Memphis Milan Orlando Paris Phoenix Savannah Sienna
    Sofia Sydney Valencia Victoria Vienna Virginia Washington
    """.replace("\n", " ").split()
)
"""Places whose names people are given; followed by another name they are a person's."""
_KM_PER_DEGREE = 111.2
Word = tuple[str, bool, int]
"""A word, whether it goes on from the word before, and where it ends in the text."""


class Mention(NamedTuple):
    """A name in a text, all it may mean, and whether the words round it speak for a place."""

    name: str
    meanings: tuple[Named, ...]
    spoken: bool


def place_in(text: str) -> Place | None:
    """The place a text names, by the rule above, or None; microseconds once the tables are loaded."""
    text, tables = text[:_LOOK_AT], gazetteer()
    named = _choose(list(_mentions(text, tables))) if _may_name(text, tables) else None
    if named is None:
        return None
    return Place(
        name=named.name,
        country_code=named.country,
        latitude=named.latitude,
        longitude=named.longitude,
        source="gazetteer",
        reach_km=named.reach_km,
    )


def _may_name(text: str, tables: Gazetteer) -> bool:
    """False for most texts that name no place, at a tenth of the cost of reading them as words."""
    if not tables.clues.isdisjoint(CAPITALISED.findall(text)):
        return True
    return "#" in text and any(
        tag.lower() in tables.joined or not tables.clues.isdisjoint(_CAMEL.findall(tag)) for tag in _TAGS.findall(text)
    )


def _choose(mentions: list[Mention]) -> Named | None:
    regions = [mention.meanings[0] for mention in mentions if mention.meanings[0].kind != "city"]
    cities = [(mention, [each for each in mention.meanings if each.kind == "city"]) for mention in mentions]
    for mention, meanings in cities:
        for city in meanings:
            if any(_inside(city, region) for region in regions if region.name != mention.name):
                return city
    if regions:
        within = (each for each in regions if each.kind == "state" and each.country == regions[0].country)
        return next(within, regions[0])
    return next((found[0] for mention, found in cities if _meant(mention, found)), None)


def _meant(mention: Mention, cities: list[Named]) -> bool:
    """Large enough to be meant when nothing else says so, or spoken of as a place; and no rival of the same name."""
    sizes = [city.population for city in cities]
    likely = sizes[0] >= _LARGE or " " in mention.name or mention.spoken
    return likely and all(2 * size <= sizes[0] for size in sizes[1:])


def _inside(city: Named, region: Named) -> bool:
    if city.country != region.country or region.state in (None, city.state):
        return city.country == region.country
    if city.state or None in (city.latitude, region.latitude, region.reach_km):  # states of the USA have codes
        return False
    assert city.latitude is not None
    assert city.longitude is not None
    assert region.latitude is not None
    assert region.longitude is not None
    narrower = math.cos(math.radians(city.latitude))
    away = math.hypot(city.latitude - region.latitude, narrower * (city.longitude - region.longitude))
    return away * _KM_PER_DEGREE <= (region.reach_km or 0.0)


def _mentions(text: str, tables: Gazetteer) -> Iterator[Mention]:
    """Names in the text, longest first, none overlapping."""
    words = list(_words(text, tables))
    at = 0
    while at < len(words):
        length = _match(words, at, tables)
        if length and not _otherwise_meant(words, at) and not _person(words, at, length):
            name = " ".join(word for word, _, _ in words[at : at + length])
            yield Mention(name, tables.names[name], _spoken(text, words, at, length))
            state = _STATE_AFTER.match(text, words[at + length - 1][2])
            if state and state[1] in tables.states:
                yield Mention(state[1], (tables.states[state[1]],), spoken=True)
        at += length or 1


def _person(words: list[Word], at: int, length: int) -> bool:
    """After a first name (``George Washington``), or a first name itself before another name (``Sydney Sweeney``)."""
    if words[at][1] and words[at - 1][0] in _GIVEN:
        return True
    after = words[at + length] if at + length < len(words) else None
    if after is None or not after[1] or length > 1 or words[at][0] not in _ALSO_GIVEN:
        return False
    return after[0][0].isupper() and not after[0].isupper() and after[0].lower() not in _AFTER


def _spoken(text: str, words: list[Word], at: int, length: int) -> bool:
    """Whether the words round a name, or its being a hashtag, speak for a place."""
    if words[at][1] and words[at - 1][0].lower() in _IN:
        return True
    end = words[at + length - 1][2]
    start = end - sum(len(word) for word, _, _ in words[at : at + length])
    if start > 0 and text[start - 1] == "#":
        return True
    after = words[at + length] if at + length < len(words) else None
    return after is not None and after[1] and after[0].lower() in _AFTER


def _otherwise_meant(words: list[Word], at: int) -> bool:
    """A storm, a person or the Gulf of Mexico."""
    if not words[at][1]:
        return False
    before = words[at - 1][0]
    return before in _NOT_BEFORE or (before.lower() == "of" and at > 1 and words[at - 2][0] == "Gulf")


def _match(words: list[Word], at: int, tables: Gazetteer) -> int:
    """How many words from ``at`` make the longest known name; 0 for none."""
    limit = tables.longest.get(words[at][0], 0)
    length = 1
    while length < limit and at + length < len(words) and words[at + length][1]:
        length += 1
    if limit == 0:
        return 0
    name = " ".join(word for word, _, _ in words[at : at + length])
    while length and name not in tables.names:
        length -= 1
        name = name.rpartition(" ")[0]
    return length


def _words(text: str, tables: Gazetteer) -> Iterator[Word]:
    previous, end = "", -1
    for token in _TOKENS.finditer(text):
        if (word := token["word"]) is not None:
            gap = text[end : token.start()] if end >= 0 else ""
            joins = (len(gap) == 1 and gap.isspace()) or (gap == ". " and previous in _ABBREVIATED)
            previous, end = _capitalised(word, tables), token.end()
            yield previous, joins, end
        elif (tag := token["tag"]) is not None:
            yield from _hashtag(tag, token.end(), tables)
            end = -1
        else:
            end = -1


def _hashtag(tag: str, end: int, tables: Gazetteer) -> Iterator[Word]:
    if (name := tables.joined.get(tag.lower())) is not None:
        parts = name.split(" ")
    else:
        parts = [_capitalised(part, tables) for part in _CAMEL.findall(tag)]
    for number, part in enumerate(parts):
        yield part, number > 0, end


def _capitalised(word: str, tables: Gazetteer) -> str:
    """``NEPAL`` as ``Nepal``, unless the capitals are the name (``USA``)."""
    word = word.replace("’", "'").removesuffix("'s")
    return word.title() if len(word) > 2 and word.isupper() and word not in tables.names else word
