"""Lives at stake as a text counts them in figures: ``14 dead``, ``3 trapped``; numbers in words are not read."""

from __future__ import annotations

import math
import re

_DEAD = (
    r"dead|deaths?|died|killed|drowned|bodies|muertos?|fallecidos|morts?|mortos?|mortes|Tote|morti|tewas|meninggal|"
    r"загиблих|погибших"
)
_STUCK = (
    r"trapped|missing|stranded|buried|atrapad[oa]s|desaparecid[oa]s|disparus|coincés|soterrados|Vermisste|dispersi|hilang|"
    r"зниклих|пропавших"
)
_HURT = r"injured|wounded|hurt|heridos|blessés|feridos|Verletzte|feriti|terluka|поранених|раненых"
_NUMBER = r"(?<![\d.,])(\d{1,3}(?:,\d{3})+|\d{1,6})"
_PEOPLE = r"(?:people|persons|children|villagers|personas|personnes|pessoas|Menschen|persone|orang|людей)"
_KINDS = ((0.9, _DEAD), (0.85, _STUCK), (0.75, _HURT))
_MOST, _STEP = 1.0, 0.05
_COUNTED = tuple(
    (
        grave,
        re.compile(rf"{_NUMBER}\s+(?:{_PEOPLE}\s+)?(?:{words})\b", re.IGNORECASE),
    )
    for grave, words in _KINDS
)


def lives_in(text: str) -> float:
    """How grave the numbers of dead, trapped or missing, and injured in ``text`` are, 0 (none) to 1.

    Ten weigh what their kind does (dead .9, trapped or missing .85, injured .75); one .05 less, a hundred .05 more.
    """
    return max((_grave(weight, found[1]) for weight, each in _COUNTED for found in each.finditer(text)), default=0.0)


def _grave(weight: float, number: str) -> float:
    count = int(number.replace(",", ""))
    return min(_MOST, weight + _STEP * (math.log10(count) - 1)) if count else 0.0
