"""Strangers' text on its way to a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """A stranger's text as a terminal may have it: whatever could steer the terminal is written as an escape."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
