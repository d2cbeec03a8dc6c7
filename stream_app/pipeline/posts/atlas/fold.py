"""How a name is spelled for looking it up: the atlas is written and read with the same few rules.

Words are runs of letters, digits and marks; hyphens, apostrophes and dots part them, so ``Saint-Denis`` is
``saint denis`` and ``Hatay'da`` is ``hatay da``. Case and accents go, and so do the differences between keyboards
of one script: the forms of alef, Persian and Arabic letters, full and half width.
"""

from __future__ import annotations

import re
import unicodedata

_MARKS = (
    "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0dff\u0e30-\u0e4e"
    "\u0f71-\u0f84\u102b-\u103e\u17b4-\u17d3\u200c\u200d"
)
WORD = re.compile(rf"[\w{_MARKS}]+")
"""A word: letters, digits and the marks that Python's ``\\w`` leaves out (vowels of Indian scripts, harakat)."""

_OWN = {
    "ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ς": "σ", "ё": "е",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ې": "ي", "ک": "ك", "ة": "ه", "ؤ": "و", "ئ": "ي",
    "ہ": "ه", "ھ": "ه", "ە": "ه", "ـ": "",
}  # fmt: skip


class _Letters(dict[int, str]):
    """What each character is read as, worked out when it is first met."""

    def __missing__(self, code: int) -> str:
        self[code] = read = _read(chr(code))
        return read


def _read(letter: str) -> str:
    if letter in _OWN:
        return _OWN[letter]
    if unicodedata.category(letter) in ("Mn", "Cf") and not "\u0900" <= letter <= "\u1fff":
        return ""
    if letter < "\u0250" or "\u0370" <= letter < "\u0400" or "\u1e00" <= letter < "\u2000":
        apart = unicodedata.normalize("NFKD", letter)
        return "".join(_OWN.get(each, each) for each in apart if not unicodedata.combining(each))
    return unicodedata.normalize("NFKC", letter)


_LETTERS = _Letters()


def lowered(text: str) -> str:
    """``text`` in small letters, each where it stood: ``İ``, which would become two, is read as ``I``."""
    return text.replace("İ", "I").lower()


def folded(word: str) -> str:
    """A word in small letters as it is looked up."""
    if word.isascii():
        return word
    if max(word) >= "\u0300":
        word = unicodedata.normalize("NFC", word)
    return word.translate(_LETTERS)


def key_of(name: str) -> str:
    """A name as it is looked up: its words, folded, with one space between."""
    return " ".join(filter(None, (folded(word) for word in WORD.findall(lowered(name)))))
