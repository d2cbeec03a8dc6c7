"""What language a post is in: the network's word where it is valid, otherwise detected from the text, offline."""

from __future__ import annotations

# Codes that X gives where it names no language, by kind of post (qme: media only, qht: hashtags only, ...).
_UNKNOWN = frozenset({"und", "zxx", "mul", "mis", "art"})
_RENAMED = {"in": "id", "iw": "he", "ji": "yi", "jw": "jv", "msa": "ms"}


def network_language(value: object) -> str | None:
    """The primary subtag of a BCP 47 tag in lower case (``pt-BR`` gives ``pt``), or None where it names none."""
    if not isinstance(value, str):
        return None
    tag = value.replace("_", "-").partition("-")[0].lower()
    tag = _RENAMED.get(tag, tag)
    if not (2 <= len(tag) <= 3 and tag.isascii() and tag.isalpha()) or tag in _UNKNOWN or "qaa" <= tag <= "qtz":
        return None
    return tag
