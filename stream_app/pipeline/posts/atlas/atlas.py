"""The file ``atlas.bin``: 235,000 places of the world and half a million names, mapped into memory, not read.

Opening it costs a millisecond and its pages are shared by all processes of a machine. A name is looked up by a 64-bit
hash of its :func:`~stream_app.pipeline.posts.atlas.fold.key_of`; a Bloom filter (Bloom 1970) of the beginnings of
names turns most words away before. :mod:`~stream_app.pipeline.posts.atlas.build` makes it.
"""

from __future__ import annotations

import hashlib
import json
import math
import mmap
import struct
import zlib
from bisect import bisect_left
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

MAGIC = b"crisis-atlas 2\0\0"
BLOOM_BITS = 1 << 24
CONTESTED = 1 << 31
"""Added to a place's number where its name is another town's own: it weighs less there."""
_CONTESTED_WEIGHS = 1.5
Kind = Literal["country", "state", "district", "city"]
KINDS: tuple[Kind, ...] = ("country", "state", "district", "city")
FILE = Path(__file__).parent / "atlas.bin"
_WORDS, _NAMES = 32_768, 8_192


class Named(NamedTuple):
    """One thing a name may mean. Positions in degrees, WGS 84; of a country, state or district the middle of its towns.

    ``reach_km`` is how far one of these reaches from there: a coarse place; None for a city or village.
    """

    kind: Kind
    name: str
    country: str
    state: str
    latitude: float
    longitude: float
    population: int
    reach_km: float | None = None
    own: bool = False
    weight: float = 0.0
    """The power of ten that it counts: of its people; a country, and a place of the user's own, one more."""


def weight(kind: Kind, population: int, *, own: bool = False) -> float:
    """What a place weighs."""
    return math.log10(1 + population) + (kind == "country") + own


class Found(NamedTuple):
    """What a name may mean, the weightiest first, and how much of an ordinary word it is: 0 no, 1 may be, 2 mostly."""

    meanings: tuple[Named, ...]
    ordinary: int


NOTHING = Found((), 0)


def hashed(key: str) -> int:
    """64 bits of BLAKE2b of a folded name."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "little")


class Atlas:
    """The file, opened. ``us_states`` are the two letters of US states; ``spoken`` the languages of each country."""

    def __init__(self, path: Path = FILE) -> None:
        with path.open("rb") as file:
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if mapped[: len(MAGIC)] != MAGIC:
            raise ValueError(f"{path} is no atlas of this version; make it anew (see atlas/build.py)")
        (size,) = struct.unpack_from("<I", mapped, len(MAGIC))
        start = len(MAGIC) + 4
        head = json.loads(mapped[start : start + size])
        view, base = memoryview(mapped), start + size

        def section(name: str, form: str = "B") -> memoryview:
            at, length = head["sections"][name]
            return view[base + at : base + at + length].cast(form)  # type: ignore[call-overload,no-any-return]

        self._bloom = section("bloom")
        self._hashes, self._starts = section("hashes", "Q"), section("starts", "I")
        self._meanings, self._flags = section("meanings", "I"), section("flags")
        self._latitude, self._longitude = section("latitude", "f"), section("longitude", "f")
        self._population, self._reach = section("population", "I"), section("reach", "H")
        self._country, self._state, self._kind = section("country"), section("state", "H"), section("kind")
        self._name, self._length, self._text = section("name", "I"), section("length"), section("text")
        self._countries, self._states = head["countries"], head["states"]
        self.us_states = frozenset(head["us"])
        self.spoken: dict[str, list[str]] = dict(zip(head["countries"], head["languages"], strict=True))
        self.find = lru_cache(_NAMES)(self._find)
        self.alone = lru_cache(_WORDS)(self._alone)

    def _alone(self, word: str) -> Found | None:
        """What one folded word may mean, :data:`NOTHING` if it only begins longer names; None if no name begins so."""
        return self._find(word) if self.begins(word) else None

    def begins(self, key: str) -> bool:
        """Whether a name may begin with these folded words; wrong for one word in twenty or so, never with False."""
        bit = zlib.crc32(key.encode("utf-8", "replace")) % BLOOM_BITS
        return bool(self._bloom[bit >> 3] >> (bit & 7) & 1)

    def _find(self, key: str) -> Found:
        """What a folded name may mean; :data:`NOTHING` for what is no name."""
        code = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        at = bisect_left(self._hashes, code)
        if at == len(self._hashes) or self._hashes[at] != code:
            return NOTHING
        numbers = self._meanings[self._starts[at] : self._starts[at + 1]]
        found = sorted(map(self._named, numbers), key=lambda each: (-each.weight, each.country, each.latitude))
        return Found(tuple(found), self._flags[at])

    def near(self, key: str) -> tuple[Named, ...]:
        """Large places whose folded name of seven letters or more is ``key`` but for one letter or two swapped."""
        found = {
            named
            for spelled in {key, *(key[:at] + key[at + 1 :] for at in range(len(key)))}
            for named in self._find("~" + spelled).meanings
        }
        return tuple(found)

    def _named(self, meant: int) -> Named:
        number = meant & ~CONTESTED
        start, kind, population = self._name[number], KINDS[self._kind[number]], self._population[number]
        return Named(
            kind,
            bytes(self._text[start : start + self._length[number]]).decode("utf-8", "ignore"),
            self._countries[self._country[number]],
            self._states[self._state[number]],
            round(self._latitude[number], 5),
            round(self._longitude[number], 5),
            population,
            float(self._reach[number]) or None,
            weight=weight(kind, population) - (_CONTESTED_WEIGHS if meant & CONTESTED else 0),
        )

    def state_of_us(self, code: str) -> Named | None:
        """The US state of two letters."""
        return next((each for each in self.find(f"us {code.lower()}").meanings if each.kind == "state"), None)


@cache
def atlas() -> Atlas:
    """The one that is shipped, opened once per process."""
    return Atlas()
