"""Where a post speaks of: its point, else the network's place, else what its text tells.

In a text a position comes first (:mod:`~stream_app.pipeline.posts.coordinates`), then names. A wrong pin misleads more
than none, so each thing a name may mean is weighed, in powers of ten:

- how many people live there: ten thousand weigh 4, a million 6; a country one more than its people;
- what stands round it: ``in`` or ``near`` before it or ``floods``, ``district`` after it, each 1.5; a hashtag .5;
  a disaster in the text .5; one named region that it lies in 3; the post's language .5; another place of its country 1;
- a region right behind it (``Paradise, CA``): it lies there, or it is not meant, and what is against it is forgiven;
- against it: small letters 1.5; a word that mostly means something else (``Nice``, ``Reading``) 1 to 4.

It counts from :data:`_ENOUGH`, and only when it outweighs the others of its name by :data:`_SURE`. ``confidence`` says
how clearly, ``alternatives`` what else was meant if not this.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from stream_app.pipeline.posts.atlas.atlas import Atlas, Found, Named, atlas
from stream_app.pipeline.posts.atlas.fold import key_of
from stream_app.pipeline.posts.atlas.words import CRISIS_SIGNS
from stream_app.pipeline.posts.coordinates import recovered, short_code_in, spot_in
from stream_app.pipeline.posts.mentions import Mention, Reading, read
from stream_app.pipeline.posts.post import OtherPlace, Place

_LOOK_AT = 2_000
"""Characters of a text that are searched."""
_ENOUGH, _SURE = 5.0, 0.6
_CRISIS, _LANGUAGE, _COMPATRIOT, _INSIDE = 0.5, 0.5, 1.0, 3.0
_SMALL_LETTERS, _ORDINARY, _ORDINARY_SMALL, _MISSPELT = 1.5, (0.0, 1.0, 2.0), (0.0, 1.0, 4.0), 1.5
_NEIGHBOUR, _NEIGHBOUR_KM, _CLEAR = 1.0, 150.0, 0.8
_MOST_OF_COMPANY = max(_INSIDE, _COMPATRIOT + _NEIGHBOUR)
_SAME_KM, _NEAR_KM = 60.0, 40.0
_KM_PER_DEGREE = 111.2
_PART = 10
_NO_RIVAL, _MOST_MEANINGS = 1.8, 40
_TOLD, _MOST_TOLD = 0.05, 3


class _Choice(NamedTuple):
    mention: Mention
    named: Named
    weight: float
    share: float
    inside: bool
    others: tuple[tuple[Named, float], ...]


def place_in(text: str, language: str | None = None, tables: Atlas | None = None) -> Place | None:
    """The place a text names, by the rule above, or None; some 90 microseconds. ``language``: of the text, if known."""
    text, tables = text[:_LOOK_AT], tables or atlas()
    spot = spot_in(text)
    if spot is not None:
        return Place(latitude=spot.latitude, longitude=spot.longitude, source="coordinates", confidence=0.98)
    reading = read(text, tables, language)
    choice = _chosen(reading, text, language, tables) if reading.mentions else None
    choice = choice or _misspelt(reading, language, tables)
    code = short_code_in(text) if choice is not None else None
    if choice is None:
        return None
    place = _place(choice)
    if code is None or choice.named.reach_km is not None:
        return place
    spot = recovered(code.code, choice.named.latitude, choice.named.longitude)
    at = {"latitude": spot.latitude, "longitude": spot.longitude, "source": "coordinates", "alternatives": ()}
    return place.model_copy(update=at)


def _place(choice: _Choice) -> Place:
    named = choice.named
    others = [each for each in choice.others if each[1] >= _TOLD][:_MOST_TOLD]
    return Place(
        name=named.name,
        country_code=named.country,
        latitude=named.latitude,
        longitude=named.longitude,
        source="gazetteer",
        reach_km=named.reach_km,
        confidence=round(choice.share / (1 + 10 ** (_ENOUGH - 0.5 - choice.weight)), 2),
        alternatives=tuple(
            OtherPlace(
                name=other.name, country_code=other.country, latitude=other.latitude, longitude=other.longitude,
                confidence=round(share, 2),
            )
            for other, share in others
        ),
    )  # fmt: skip


def _chosen(reading: Reading, text: str, language: str | None, tables: Atlas) -> _Choice | None:
    """The likeliest place among all mentioned; the region named first where no town fits and none is spoken of."""
    crisis = reading.crisis or (not text.isascii() and any(sign in text for sign in CRISIS_SIGNS))
    extra = _CRISIS if crisis else 0.0
    first = [_weighed(each, extra, language, tables, (), ()) for each in reading.mentions]
    regions = [each.named for each in first if each and each.named.reach_km and each.named.kind != "district"]
    homes = tuple((each.mention.name, each.named) for each in first if each and each.share > _CLEAR)
    if len(first) > 1 and (regions or homes):
        first = [_weighed(each, extra, language, tables, regions, homes) for each in reading.mentions]
    choices = [each for each in first if each is not None]
    if not choices:
        return None
    best = max(each.mention.spoken for each in choices)

    def rank(choice: _Choice) -> tuple[bool, float, bool, int]:
        named = choice.named
        detail = {"city": 3, "district": 2, "state": 1, "country": 0}[named.kind]
        astray = bool(regions) and not choice.inside and named.reach_km is None
        return choice.inside, min(1.0, choice.mention.spoken) if best > 0 else 0.0, not astray, detail

    return max(choices, key=rank)


def _weighed(
    mention: Mention,
    extra: float,
    language: str | None,
    tables: Atlas,
    regions: Sequence[Named],
    homes: Sequence[tuple[str, Named]],
) -> _Choice | None:
    """The likeliest meaning of a name; None where it is not likely enough, or as likely as another far away."""
    meanings, ordinary = mention.found
    against = _ORDINARY[ordinary] if mention.capital else _SMALL_LETTERS + _ORDINARY_SMALL[ordinary] - (ordinary > 0)
    base = extra + mention.spoken - against
    there = (
        tuple(each for each in meanings if any(_within(each, region) for region in mention.of)) if mention.of else ()
    )
    if there:
        meanings, base = there, base + _INSIDE + against
    elif mention.of and meanings[0].kind not in ("country", "state"):
        return None
    others = [home for name, home in homes if name != mention.name]
    alone = not (regions or others)
    most = base + meanings[0].weight + _LANGUAGE + (0.0 if alone else _MOST_OF_COMPANY)
    if most < _ENOUGH and (alone or not meanings[0].own):  # what is of one's own comes first, not what weighs most
        return None
    if alone:
        meanings = tuple(each for each in meanings if each.weight > meanings[0].weight - _NO_RIVAL)
    foreign = language is not None and language != "en"
    weights = []
    for named in meanings[:_MOST_MEANINGS]:
        weight, inside = base + named.weight, bool(there)
        if not (alone or inside):
            more, inside = _company(named, regions, others)
            weight += more
        if foreign and language in tables.spoken[named.country]:
            weight += _LANGUAGE
        weights.append((weight, inside, named))
    return _surest(mention, weights)


def _surest(mention: Mention, weights: list[tuple[float, bool, Named]]) -> _Choice | None:
    """The weightiest of meanings, each with its weight and whether it lies in a region; None as above."""
    weights.sort(key=lambda each: -each[0])
    weight, inside, named = weights[0]
    if weight < _ENOUGH:
        return None
    if len(weights) == 1 and named.kind != "country":
        return _Choice(mention, named, weight, 1.0, inside, ())
    named = _nearer(mention, named, [each for _, _, each in weights])
    rivals = [(each, 10 ** (other - weight)) for other, _, each in weights[1:] if not _same(named, each)]
    total = 1 + sum(share for _, share in rivals)
    if 1 / total < _SURE:
        return None
    return _Choice(mention, named, weight, 1 / total, inside, tuple((each, share / total) for each, share in rivals))


def _company(named: Named, regions: Sequence[Named], others: Sequence[Named]) -> tuple[float, bool]:
    """What the other places of a text speak for one, at most :data:`_MOST_OF_COMPANY`; whether it lies in a region."""
    if any(_within(named, region) for region in regions if region.name != named.name):
        return _INSIDE, True
    compatriot = any(home.country == named.country for home in others)
    return _COMPATRIOT * compatriot + _NEIGHBOUR * any(_near(home, named) for home in others), False


def _nearer(mention: Mention, named: Named, meanings: Sequence[Named]) -> Named:
    """The town of a region that is called after it, unless it is but a small part: Valencia, Puebla.

    And the state that has a name by right where its country has it as one more: Barbuda, Scotland.
    """
    if named.kind == "city":
        return named
    if named.kind == "country":
        key = key_of(mention.name)
        states = (each for each in mention.found.meanings if each.kind == "state" and each.country == named.country)
        return named if key_of(named.name) == key else next((s for s in states if key_of(s.name) == key), named)
    towns = (each for each in meanings if each.kind == "city" and _same(named, each))
    return next((each for each in towns if each.population * _PART >= named.population), named)


def _misspelt(reading: Reading, language: str | None, tables: Atlas) -> _Choice | None:
    """A long name after ``in`` that nobody knows, one letter off a large place's: counts in a text of a disaster."""
    for key in reading.unknown:
        near = tables.near(key)
        if near:
            meanings = tuple(sorted(near, key=lambda each: -each.population))
            mention = Mention(key, Found(meanings, 0), 0, 0, 1.5 - _MISSPELT, True)
            choice = _weighed(mention, _CRISIS, language, tables, (), ())
            if choice is not None:
                return choice._replace(share=choice.share * 0.8)
    return None


def _within(named: Named, region: Named) -> bool:
    """Whether a town or district lies in a country or state."""
    if named.country != region.country or named.kind in ("country", region.kind):
        return False
    if region.kind == "country":
        return True
    if region.state and named.state:
        return region.state == named.state
    return region.reach_km is not None and _apart_km(named, region) <= region.reach_km + _NEAR_KM


def _same(one: Named, other: Named) -> bool:
    """Whether two things of one name are the town and the district round it, no rivals."""
    reach = max(one.reach_km or 0.0, other.reach_km or 0.0, _SAME_KM)
    return one.country == other.country and _apart_km(one, other) <= reach


def _near(one: Named, other: Named) -> bool:
    north_km = _KM_PER_DEGREE * abs(one.latitude - other.latitude)
    return north_km < _NEIGHBOUR_KM and _apart_km(one, other) < _NEIGHBOUR_KM


def _apart_km(one: Named, other: Named) -> float:
    narrower = math.cos(math.radians(one.latitude))
    return _KM_PER_DEGREE * math.hypot(one.latitude - other.latitude, narrower * (one.longitude - other.longitude))
