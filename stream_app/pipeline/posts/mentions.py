"""Names of places in a text: found in one pass over its words, each with what stands round it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import compress
from typing import NamedTuple

from stream_app.pipeline.posts.atlas.atlas import NOTHING, Atlas, Found, Named
from stream_app.pipeline.posts.atlas.fold import WORD, folded, lowered
from stream_app.pipeline.posts.atlas.words import (
    ALSO_GIVEN,
    BEFORE,
    BEFORE_A,
    CRISIS,
    CRISIS_SIGNS,
    DULL,
    FOLLOWS,
    GIVEN,
    KINDS_OF_PLACE,
    NOT_BEFORE,
    SMALL_OTHERWISE,
)  # fmt: skip

_NO_WORD = r"https?://\S+|[@$][\w.]+"
_TOKENS = re.compile(rf"{_NO_WORD}|({WORD.pattern})|#({_NO_WORD}|{WORD.pattern})")
"""Addresses and accounts, which are no words; words, the first group; hashtags, the second."""
_TAG = 2
_ALL = re.compile(r".+", re.DOTALL)
_GAPS = frozenset((" ", "-", "'", "’", "ʼ", "‘", "`", "\u00a0", "‐", "–", " the ", "・"))
_ABBREVIATED = frozenset(["st", "ft", "mt"])
_CAMEL = re.compile(r"[^\W\d_a-z]+(?=[A-Z][a-z])|[A-Z][a-zà-ÿ]+|[A-Z]+|[^\W\d_A-Z]+")
_TAG_ENDING = re.compile(
    r"(?:strong|floods?|flooding|rains?|fires?|wildfires?|earthquakes?|quake|storm|landslides?|cyclone|attacks?|"
    r"terremoto|inundaciones|incendios?|deprem|banjir|gempa|news|relief|help)\d*$"
)
_STATE_AFTER = re.compile(r", ?([A-Z]{2})\b")
_SENTENCE_ENDS = frozenset('.!?\n:•"“”«»—|')
_LATIN_ENDS, _UNPARTED = "\u0370", "\u0e00"
"""Letters from here on are of scripts that part no words (Thai, Chinese) or put particles to them (Korean)."""
_LONGEST = 8
_MOST_LETTERS_SHOUTED = 0.7
_OBLAST = re.compile(r"^(.{3,})(?:ськ|ск)(?:а|ой|ої|ій|у|ую|ая|ий|ого|ому|ом)$")
_OF_OBLAST = ("област", "обл", "район", "кра")
_OBLAST_KM = 90.0
_LONG, _SMALL_TOWN = 6, 100_000
_LARGE, _SMALL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_EACH_WORD = 0.8
_LANGUAGES_WITH_A = ("es", "it", "fr", "pt", "ca", "gl")
_PARTICLES_AFTER = frozenset("でにのはがを、。市県縣府都州省區区町村县的에서은는이가を")
_PARTICLES_BEFORE = frozenset("在于於至")
_NO_NOUNS: frozenset[str] = frozenset()


class Words:
    """The words of a text, folded, and where they stand. What is round one is asked for few, and worked out then."""

    __slots__ = ("_low", "keys", "text", "tokens")

    def __init__(self, text: str) -> None:
        self.text, self._low = text, lowered(text)
        tokens = [token for token in _TOKENS.finditer(self._low) if token.lastindex]
        if "#" in text:
            tokens = [*_parted(text, tokens)]
            keys = [token[0] if token.re is _TOKENS else lowered(token[0]) for token in tokens]
        else:
            keys = [token[0] for token in tokens]
        if not text.isascii():
            keys = [key if key.isascii() else folded(key) for key in keys]
            if "" in keys:  # nothing but marks
                kept = [bool(key) or token.re is not _TOKENS for key, token in zip(keys, tokens, strict=True)]
                keys, tokens = [*compress(keys, kept)], [*compress(tokens, kept)]
        self.keys, self.tokens = keys, tokens

    def __len__(self) -> int:
        """How many."""
        return len(self.keys)

    def joined(self, at: int) -> bool:
        """Whether a word goes on from the word before; there is none before the first, none after the last."""
        if not 0 < at < len(self.keys):
            return False
        gap = self._low[self.tokens[at - 1].end() : self.tokens[at].start()]
        if gap in _GAPS or (gap == ". " and self.keys[at - 1] in _ABBREVIATED):
            return not self.tag(at - 1)
        return self.tag(at) and self.tag(at - 1) and "#" not in gap

    def opens(self, at: int) -> bool:
        """Whether a word begins a sentence."""
        if self.tag(at) or self.joined(at):
            return False
        before = self._low[self.tokens[at - 1].end() : self.tokens[at].start()] if at else "."
        return not _SENTENCE_ENDS.isdisjoint(before)

    def tag(self, at: int) -> bool:
        """Whether it is of a hashtag."""
        return self.tokens[at].re is not _TOKENS

    def upper(self, at: int) -> bool:
        """Whether it begins with a capital."""
        return self.text[self.tokens[at].start()].isupper()

    def before(self, at: int) -> str:
        """The word that it goes on from, or an empty one."""
        return self.keys[at - 1] if self.joined(at) else ""

    def after(self, at: int) -> str:
        """The word that goes on from it, or an empty one."""
        return self.keys[at + 1] if self.joined(at + 1) else ""


def _parted(text: str, tokens: Iterable[re.Match[str]]) -> Iterator[re.Match[str]]:
    """The same words with those of hashtags for each hashtag."""
    for token in tokens:
        if token.lastindex == _TAG:
            yield from _parts(text, *token.span(_TAG))
        else:
            yield token


def _parts(text: str, start: int, end: int) -> Iterable[re.Match[str]]:
    """The words of a hashtag: told apart by capitals, or a name before a word of disaster (``houstonflood``)."""
    tag = text[start:end]
    if tag == tag.lower() and (ending := _TAG_ENDING.search(text, start, end)) and ending.start() > start + 3:
        return (*_ALL.finditer(text, start, ending.start()), ending)
    parts = [*_CAMEL.finditer(text, start, end)]
    return _ALL.finditer(text, start, end) if len(parts) > 1 and tag.isupper() else parts


class Mention(NamedTuple):
    """A name, all it may mean, and what speaks for its being a place.

    ``spoken``: words round it, from -2 (hardly) to 3; ``capital``: written as a name is, where its script can.
    """

    name: str
    found: Found
    at: int
    end: int
    spoken: float
    capital: bool
    of: tuple[Named, ...] = ()
    """What the region may be that is named right behind it: ``Paradise, CA``; it lies there or is not meant."""


class Reading(NamedTuple):
    """A text read: its mentions in order, whether it speaks of a disaster, and then long unknown names after ``in``."""

    mentions: list[Mention]
    crisis: bool
    unknown: list[str]


def read(text: str, atlas: Atlas, language: str | None = None) -> Reading:
    """All names in ``text``, longest first, none overlapping."""
    before = BEFORE_A if language in _LANGUAGES_WITH_A else BEFORE
    words, alone = Words(text), atlas.alone
    crisis = not CRISIS.isdisjoint(words.keys)
    storms = _storms(words)
    shouted = _shouted(text)
    nouns = KINDS_OF_PLACE if language == "en" else _NO_NOUNS
    mentions: list[Mention] = []
    unknown: list[str] = []
    past = 0
    for at, key in enumerate(words.keys):
        if at < past:
            continue  # within a name
        if key >= _UNPARTED:
            mentions.extend(_scanned(words, at, atlas))
            continue
        found, latin = alone(key), key < _LATIN_ENDS
        if latin:
            if found is None:  # what most come to
                if crisis and len(key) >= _LONG and words.upper(at) and words.before(at) in before:
                    unknown.append(key)
                continue
            if key in DULL and not words.upper(at) and not words.tag(at):
                continue
        length, found = _longest(words, at, found or NOTHING, atlas)
        if latin and (not length or (length == 1 and key in nouns)):
            continue
        past = at + length
        named = _mention(words, at, (length, found), atlas, before, shouted=shouted)
        if named is not None and key not in storms:
            _add(mentions, named, words, atlas)
    return Reading(mentions, crisis, unknown)


def _storms(words: Words) -> set[str]:
    """Names right after ``cyclone``, ``president`` and the like: no places in this text."""
    if NOT_BEFORE.isdisjoint(words.keys):
        return set()
    return {words.after(at) for at, key in enumerate(words.keys) if key in NOT_BEFORE}


def _add(mentions: list[Mention], named: Mention, words: Words, atlas: Atlas) -> None:
    """Put a mention behind the others, and tell the one before that it stands as ``town, region``."""
    at, end = named.at, words.tokens[named.end - 1].end()
    regions = tuple(each for each in named.found.meanings if each.kind in ("country", "state"))
    follows = bool(mentions) and mentions[-1].end == at
    if regions and follows and words.text[words.tokens[at - 1].end() : words.tokens[at].start()] == ", ":
        mentions[-1] = mentions[-1]._replace(of=regions)
    state = _STATE_AFTER.match(words.text, end)
    if state and state[1] in atlas.us_states and (meant := atlas.state_of_us(state[1])):
        mentions += (named._replace(of=(meant,)), Mention(state[1], Found((meant,), 0), at, at, 3.0, True))
    else:
        mentions.append(named)


def _mention(
    words: Words,
    at: int,
    longest: tuple[int, Found],
    atlas: Atlas,
    before: frozenset[str],
    *,
    shouted: bool,
) -> Mention | None:
    """The name that begins with this word, if it is one and means no person or storm."""
    length, found = longest
    key = words.keys[at]
    previous = words.before(at)
    capital = not shouted and (words.upper(at) or key >= "\u0590")
    if not found.meanings:
        if key < _LATIN_ENDS or not (capital or previous in before):
            return None
        found, length = _otherwise(words, at, atlas), 1
    after = words.after(at + length - 1)
    if not found.meanings or _no_place(words, at, length, (previous, after), capital=capital):
        return None
    name = words.text[words.tokens[at].start() : words.tokens[at + length - 1].end()]
    if len(key) <= 3 and length == 1 and not name.isupper() and key < _LATIN_ENDS:
        return None
    spoken = _spoken(words, at, length, (previous, after), found, before)
    return Mention(name, found, at, at + length, spoken, capital and not (found.ordinary and words.opens(at)))


def _longest(words: Words, at: int, found: Found, atlas: Atlas) -> tuple[int, Found]:
    """How many words from ``at`` make the longest known name, and what it may mean; ``found``: the first alone.

    0 words for none.
    """
    keys = words.keys
    key, length = keys[at], 1 if found.meanings else 0
    for ahead, word in enumerate(keys[at + 1 : at + 5], at + 1):
        key = f"{key} {word}"
        if not atlas.begins(key) or not words.joined(ahead):
            break
        longer = atlas.find(key)
        if longer.meanings:
            found, length = longer, ahead - at + 1
    return length, found


def _scanned(words: Words, which: int, atlas: Atlas) -> Iterator[Mention]:
    """Names in a run of letters without spaces; katakana is one word as far as it goes."""
    run, at = words.keys[which], 0
    while at < len(run) - 1:
        taken = 1
        if atlas.begins(run[at : at + 2]):
            for length in range(min(_LONGEST, len(run) - at), 1, -1):
                name = run[at : at + length]
                found = atlas.find(name)
                if found.meanings and not (_cut(run, at) or _cut(run, at + length)):
                    yield _unparted(run, at, length, found, tag=words.tag(which))
                    taken = length
                    break
        if run[at] >= "가" and taken == 1:
            return  # Korean: a name begins its word
        at += taken


def _cut(run: str, at: int) -> bool:
    """Whether a name that begins or ends here would cut a word of katakana."""
    return 0 < at < len(run) and _katakana(run[at - 1]) and _katakana(run[at])


def _katakana(letter: str) -> bool:
    return "\u30a1" <= letter <= "\u30fc"


def _unparted(run: str, at: int, length: int, found: Found, *, tag: bool) -> Mention:
    after, before = run[at + length : at + length + 1], run[at - 1 : at] if at else ""
    spoken = 1.0 if after in _PARTICLES_AFTER or before in _PARTICLES_BEFORE or tag else 0.0
    spoken += 1.5 if run.startswith(CRISIS_SIGNS, at + length) else 0.0
    return Mention(run[at : at + length], found, -1, -1, spoken, True)


def _no_place(words: Words, at: int, length: int, beside: tuple[str, str], *, capital: bool) -> bool:
    """A person, the Gulf of Mexico, or another word in small letters."""
    key, tag = words.keys[at], words.tag(at)
    if key == "the" and length > 1:  # "The bridge has gone" speaks of no town called The Bridge
        noun = words.keys[at + 1]
        return noun in KINDS_OF_PLACE or noun in CRISIS or (words.upper(at) and not words.upper(at + 1))
    if length == 1 and (key in CRISIS or (not capital and not tag and key in SMALL_OTHERWISE)):
        return True
    before, after = beside
    if length == 1 and key in KINDS_OF_PLACE and (before == "the" or words.opens(at)):
        return True  # "Bridge collapsed in Paris": Bridge is in Kent, too; "floods on the Island": German for Iceland
    if before in GIVEN or (before == "of" and words.before(at - 1) == "gulf"):
        return True
    if not after or length > 1 or key not in ALSO_GIVEN or tag or not capital:
        return False
    second = words.text[words.tokens[at + 1].start() : words.tokens[at + 1].end()]
    named = second[0].isupper() and not second.isupper()
    return named and after not in CRISIS and after not in KINDS_OF_PLACE


def _spoken(words: Words, at: int, length: int, beside: tuple[str, str], found: Found, before: frozenset[str]) -> float:
    """How much the words round a name, or its being a hashtag, speak for a place; and how many words it has."""
    last = at + length - 1
    (previous, after), tag = beside, words.tag(at)
    small = length == 1 and not tag and found.meanings[0].population < _SMALL_TOWN
    score = min(length - 1, 2) * _EACH_WORD
    if previous in before:
        score += 1.5
    elif tag or previous == "to":
        score += 0.5
    if after in KINDS_OF_PLACE or after in CRISIS:
        score += 1.5
    elif after and found.ordinary > 1 and not tag and after not in FOLLOWS:
        score -= 1.5
    elif after and small and words.upper(last + 1):
        score -= 1.0  # the first of two names: a person, a firm
    if small and previous and score <= 0 and words.upper(at - 1) and not words.opens(at - 1):
        score -= 1.0
    return score


def _otherwise(words: Words, at: int, atlas: Atlas) -> Found:
    """A name in another of its forms: declined, with a preposition written to it, or as an adjective of an oblast."""
    key = words.keys[at]
    if "\u0400" <= key[0] < "\u0530":
        oblast = _OBLAST.match(key)
        if oblast and words.after(at).startswith(_OF_OBLAST):
            return _first(atlas, (oblast[1], oblast[1] + "а", oblast[1] + "и", oblast[1] + "е"), _as_oblast)
        return _first(atlas, _nominatives(key)) if len(key) > 3 else NOTHING
    if "\u0370" <= key[0] < "\u0400":
        return _first(atlas, (key + "σ", key[:-1]))
    if "\u0600" <= key[0] < "\u0700" and len(key) > 4:
        forms = [key[1:]] if key[0] in "وبلف" else []
        forms += [key[2:]] if key[:2] in ("وب", "ول") else []
        return _first(atlas, (*forms, *(("ال" + key[2:],) if key.startswith("لل") else ())))
    return NOTHING


def _nominatives(key: str) -> Iterator[str]:
    """What a Ukrainian or Russian name of one word in another case may be in the first."""
    stem = key[:-1]
    if key[-1] in "іиуеюяаї":
        yield from (stem, stem + "а", stem + "я", stem + "ь", stem + "о", stem + "и", stem + "й")
        at = max(stem.rfind("о"), stem.rfind("є"), stem.rfind("е"))
        if at >= 0 and at >= len(stem) - 2:  # Харкові, Києві: the vowel of the closed syllable
            yield stem[:at] + ("ї" if stem[at] == "є" else "і") + stem[at + 1 :]
    if key.endswith(("ом", "ем", "ой", "ою", "ею", "ах", "ям", "ях", "ів")):
        yield from (key[:-2], key[:-2] + "а", key[:-2] + "и", key[:-2] + "о")
    if key.endswith("ьку"):
        yield key[:-1]


def _as_oblast(named: Named) -> Named:
    return named._replace(kind="state", reach_km=_OBLAST_KM)


def _first(atlas: Atlas, keys: Iterable[str], made: Callable[[Named], Named] | None = None) -> Found:
    for key in keys:
        found = atlas.find(key) if len(key) > 2 else NOTHING
        if found.meanings and found.meanings[0].population >= 10_000:
            return Found(tuple(map(made, found.meanings[:1])), 0) if made else Found(found.meanings, found.ordinary)
    return NOTHING


def _shouted(text: str) -> bool:
    """Whether capitals say nothing here: most letters that could be small are large."""
    head = text[:200]
    plain = head.encode("ascii", "ignore")
    large, small = len(plain) - len(plain.translate(None, _LARGE)), len(plain) - len(plain.translate(None, _SMALL))
    return large > _MOST_LETTERS_SHOUTED * (large + small) if large + small > len(head) / 4 else head.isupper()
