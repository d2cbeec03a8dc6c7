"""Where a post speaks of: its point, else the network's place, else a name in its text found in the gazetteer.

From text the rule is cautious, since a wrong pin misleads more than none:

- the longest name wins, spelled with capitals (``NEPAL`` counts, ``nepal`` only as a hashtag); ``#NepalQuake`` is
  read as words; links and @names are skipped;
- a name right after Hurricane, Typhoon, President, Gulf of and the like is not a place;
- a city counts when its country or US state is named too (``Paris, Texas``), or when no country is named and it is
  large (100,000 people for a one-word name, 15,000 for a longer one) and twice as large as any other of its name;
- otherwise the US state or country named first, which has a code and no position.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

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
Word = tuple[str, bool, int]
"""A word, whether it goes on from the word before, and where it ends in the text."""


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
    )


def _may_name(text: str, tables: Gazetteer) -> bool:
    """False for most texts that name no place, at a tenth of the cost of reading them as words."""
    if not tables.clues.isdisjoint(CAPITALISED.findall(text)):
        return True
    return "#" in text and any(
        tag.lower() in tables.joined or not tables.clues.isdisjoint(_CAMEL.findall(tag)) for tag in _TAGS.findall(text)
    )


def _choose(mentions: list[tuple[str, tuple[Named, ...]]]) -> Named | None:
    regions = [meanings[0] for _, meanings in mentions if meanings[0].kind != "city"]
    cities = [(name, [each for each in meanings if each.kind == "city"]) for name, meanings in mentions]
    for name, meanings in cities:
        for city in meanings:
            if any(_inside(city, region) for region in regions if region.name != name):
                return city
    if regions:
        return regions[0]
    return next((found[0] for name, found in cities if _unmistakable(name, found)), None)


def _unmistakable(name: str, cities: list[Named]) -> bool:
    """Large enough to be meant when nothing else says so, and no rival of the same name."""
    sizes = [city.population for city in cities]
    return (sizes[0] >= _LARGE or " " in name) and all(2 * size <= sizes[0] for size in sizes[1:])


def _inside(city: Named, region: Named) -> bool:
    return city.country == region.country and region.state in (None, city.state)


def _mentions(text: str, tables: Gazetteer) -> Iterator[tuple[str, tuple[Named, ...]]]:
    """Names in the text, each with all it may mean, longest first, none overlapping."""
    words = list(_words(text, tables))
    at = 0
    while at < len(words):
        length = _match(words, at, tables)
        if length and not _otherwise_meant(words, at):
            name = " ".join(word for word, _, _ in words[at : at + length])
            yield name, tables.names[name]
            state = _STATE_AFTER.match(text, words[at + length - 1][2])
            if state and state[1] in tables.states:
                yield state[1], (Named("state", state[1], "US", state[1]),)
        at += length or 1


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
