"""The one door that strangers' text goes through on its way to a terminal, or into XML.

A terminal obeys what it prints: C0 and C1 controls begin escape sequences (ECMA-48; OSC 52 writes the clipboard, OSC 8
makes links), and bidi controls show text in another order than it has (Unicode UAX 9; Boucher and Anderson, "Trojan
Source", 2021). Here they are written as escapes. rich has a markup of its own, so tables take :class:`rich.text.Text`.
"""

from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

_JOINERS = "\u200c\u200d"
"""Invisible, but Sinhala, Persian and many emoji are spelled with them."""
_NOT_XML = re.compile(
    "[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"  # XML 1.0, section 2.2: not even as an entity
    "|[\x7f-\x84\x86-\x9f]"  # which it discourages
    "|[\u2028\u2029]"  # line ends to some readers of lines, not to others
    "|[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]"
)


def _harmless(character: str) -> bool:
    return character.isprintable() or character in _JOINERS or (character.isspace() and character > "\u009f")


def printable(text: str, keep: str = "") -> str:
    """A stranger's text as a terminal may have it, in one line: whatever could steer it is written as an escape.

    Characters of ``keep`` stay, such as line ends where the text may have some.
    """
    if text.isprintable():
        return text
    return "".join(
        each if each in keep or (_harmless(each) and each not in "\u2028\u2029") else _escape(each) for each in text
    )


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode()


def cell(text: str | None) -> Text:
    """A stranger's text as a cell of rich's tables: what looks like markup stays what it is."""
    from rich.text import Text

    return Text(printable(text or ""))


def print_whole(table: Table) -> None:
    """Print a table of rich's: as wide as the terminal, or 160 columns into a pipe or file, where no words are cut."""
    from rich.console import Console

    for column in table.columns:
        column.overflow = "fold"
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def one_line(text: str) -> str:
    """A stranger's text in a table that scrolls: what could steer the terminal, line ends too, becomes a space."""
    return " ".join("".join(each if _harmless(each) else " " for each in text).split())


def json_line(text: str) -> str:
    """A line of JSON that a terminal may have: the same value, with what could steer it spelled as an escape."""
    if text.isprintable():
        return text
    return "".join(each if _harmless(each) and each not in "\u2028\u2029" else _json_escape(each) for each in text)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def xml_text(text: str) -> str:
    """Text without what XML 1.0 cannot hold or discourages, nor bidi controls and U+2028; each becomes U+FFFD."""
    return _NOT_XML.sub("\ufffd", text)


class _PrintableRecord(logging.LogRecord):
    def getMessage(self) -> str:  # noqa: N802 - logging's name
        return printable(super().getMessage(), keep="\n\t")


def log_printably() -> None:
    """From here on log messages go through this door too: they quote errors, and errors quote strangers."""
    logging.setLogRecordFactory(_PrintableRecord)
