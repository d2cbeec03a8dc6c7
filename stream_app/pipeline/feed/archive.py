"""Files of posts, however they are packed: one item after the other, in constant memory.

Plain, gzip, bzip2, zstandard, tar and zip are told by their first bytes, whatever the name. Inside, an item is a line,
an element of a JSON list (X's archives too, which are JavaScript), an object written over several lines, or a row of a
CSV file with a header.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, BinaryIO, NamedTuple

import orjson
import zstandard

MAX_ITEM = 16 * 1024 * 1024
"""Bytes of the longest item that is read whole: twenty times the longest page of posts, and of Kafka's limit."""
DAMAGED = (OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile, zstandard.ZstdError, csv.Error)
"""What reading a damaged file raises."""

_CHUNK = 64 * 1024
_SHOWN = 1_000
_TOKEN = re.compile(rb'\\[\s\S]?|["\[\]{},]')
_SCRIPT = re.compile(rb"(?:(?:var|const|let)\s+)?[A-Za-z_$][\w$.]*\s*=\s*[\[{]")
_X_ARCHIVE = re.compile(r"(?:^|/)(?:deleted-)?tweets?(?:-part\d+)?\.js$")
_NO_POSTS = frozenset({".jpg", ".jpeg", ".png", ".gif", ".mp4", ".webp", ".html", ".txt", ".css", ".md"})
_QUOTED = re.compile(r'"[^"]*"')
_COLUMN = re.compile(r"[A-Za-z_][\w .#-]{0,40}")
_TEXT = re.compile(r"(?i)text|tweet|content|body|message")
_NO_CELL = frozenset({"", "NaN", "nan", "NULL", "\\N"})
"""How tables write that a cell is empty."""
_BOM = b"\xef\xbb\xbf"
_WIDE_JSON = (b"\0{\0", b"\0[\0", b"\0\0\0{", b"\0\0\0[")
"""JSON in UTF-16 and UTF-32, high byte first."""


class Item(NamedTuple):
    """One item, counted from 1 through the file, without its line end.

    ``size`` is its length in bytes; of an item over :data:`MAX_ITEM` only the first bytes are in ``value``.
    """

    number: int
    value: bytes
    size: int

    @property
    def too_long(self) -> bool:
        """Whether ``value`` is only its beginning."""
        return self.size > MAX_ITEM


def items(raw: BinaryIO, name: str) -> Iterator[Item]:
    """The items of an open file, by whatever packing; ``name`` tells CSV from other text.

    Raises:
        DAMAGED: it is cut short or not what its first bytes say.
    """
    for number, (value, size) in enumerate(_unpacked(_peekable(raw), name), 1):
        yield Item(number, value, size)


def _peekable(raw: Any) -> io.BufferedReader:
    return raw if isinstance(raw, io.BufferedReader) else io.BufferedReader(raw, _CHUNK)


def _unpacked(raw: io.BufferedReader, name: str) -> Iterator[tuple[bytes, int]]:
    head = raw.peek(_CHUNK)
    inside = PurePath(name).stem
    if head.startswith(b"\x1f\x8b"):
        yield from _unpacked(_peekable(gzip.GzipFile(fileobj=raw)), inside)
    elif head.startswith(b"BZh"):
        yield from _unpacked(_peekable(bz2.BZ2File(raw)), inside)
    elif head.startswith(b"\x28\xb5\x2f\xfd"):
        reader = zstandard.ZstdDecompressor().stream_reader(raw, read_across_frames=True)
        yield from _unpacked(_peekable(reader), inside)
    elif head[257:262] == b"ustar":
        with tarfile.open(fileobj=raw, mode="r|") as tar:
            for member in tar:
                if member.isfile() and _holds_posts(member.name):
                    yield from _unpacked(_peekable(tar.extractfile(member)), member.name)
    elif head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(raw) as packed:
            names = [each for each in packed.namelist() if _holds_posts(each)]
            for each in [name for name in names if _X_ARCHIVE.search(name)] or names:
                with packed.open(each) as unzipped:
                    yield from _unpacked(_peekable(unzipped), each)
    else:
        yield from _text(raw, head, name)


def _holds_posts(name: str) -> bool:
    path = PurePath(name)
    return not (name.endswith("/") or path.name.startswith(".") or path.suffix.lower() in _NO_POSTS)


def _text(raw: io.BufferedReader, head: bytes, name: str) -> Iterator[tuple[bytes, int]]:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raw = io.BufferedReader(_Utf8(raw), _CHUNK)
        head = raw.peek(_CHUNK)
    if head[:1] == b"\0" and not head.startswith(_WIDE_JSON):
        yield from _framed(raw, head)
        return
    suffix = PurePath(name).suffix.lower()
    start = head.removeprefix(_BOM).lstrip()
    header = start.partition(b"\n")[0].decode("utf-8", "replace")
    if start[:1] not in (b"{", b"[") and (suffix in (".csv", ".tsv") or _is_header(header)):
        yield from _rows(raw, _separator(header, "\t" if suffix == ".tsv" else ","))
    elif _SCRIPT.match(start) or start[:1] == b"[" or _goes_on(start):
        yield from _elements(raw)
    else:
        yield from _lines(raw)


class _Utf8(io.RawIOBase):
    """A file in UTF-16 as UTF-8."""

    def __init__(self, raw: io.BufferedReader) -> None:
        self._raw, self._rest = raw, b""
        self._decode = codecs.getincrementaldecoder("utf-16")("replace").decode

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of the buffer; 0 at the end."""
        while not self._rest and (chunk := self._raw.read(_CHUNK)):
            self._rest = self._decode(chunk).encode("utf-8", "replace")
        length = min(len(buffer), len(self._rest))
        buffer[:length], self._rest = self._rest[:length], self._rest[length:]
        return length


def _separator(header: str, usual: str) -> str:
    """What stands between a table's columns, by its first line; the usual where nothing stands there more often."""
    outside = _QUOTED.sub("", header)
    return max(dict.fromkeys((usual, ",", ";", "\t", "|")), key=outside.count)


def _is_header(line: str) -> bool:
    """Whether a line looks like the header of a table: short names, one of them of a text."""
    columns = [column.strip(' "\r') for column in line.split(_separator(line, ","))]
    named = all(_COLUMN.fullmatch(column) for column in columns)
    return len(columns) > 1 and named and any(_TEXT.search(column) for column in columns)


def _goes_on(start: bytes) -> bool:
    """Whether the first line is the beginning of an object that later lines complete."""
    line, ended, _ = start.partition(b"\n")
    return bool(ended) and line[:1] == b"{" and line.rstrip()[-1:] in (b"{", b"[", b",")


def _lines(raw: io.BufferedReader) -> Iterator[tuple[bytes, int]]:
    while line := raw.readline(MAX_ITEM + 2):
        size = len(line)
        while not line.endswith(b"\n") and (more := raw.readline(_CHUNK)):
            size += len(more)
            line = line[:_SHOWN] + more[-1:]  # what ends it is looked for only
        value = line.rstrip(b"\r\n")
        yield (value, len(value)) if size <= MAX_ITEM + 2 else (value[:_SHOWN], size - line.endswith(b"\n"))


def _framed(raw: io.BufferedReader, head: bytes) -> Iterator[tuple[bytes, int]]:
    """Records behind a Schema Registry's frame, one a line, which may hold line ends themselves (in Protobuf most do).

    So a record ends where a line begins with a frame whose id differs in the last byte at most, or with JSON.
    """
    ends = re.compile(rb"\r?\n(?=" + re.escape(head[:4]) + rb"|[{\[])")
    rest, begun, before = b"", b"", 0
    while chunk := raw.read(_CHUNK):
        *whole, rest = ends.split(rest + chunk)
        for value in whole:
            yield (begun, before + len(value)) if before else (value, len(value))
            before = 0
        if len(rest) > MAX_ITEM:
            begun = begun if before else rest[:_SHOWN]
            before, rest = before + len(rest) - _CHUNK, rest[-_CHUNK:]
    rest = rest.removesuffix(b"\n")
    if rest or before:
        yield (begun, before + len(rest)) if before else (rest, len(rest))


def _elements(raw: io.BufferedReader) -> Iterator[tuple[bytes, int]]:  # noqa: C901 - one scanner, one state
    """Elements of lists, and objects that stand by themselves, wherever lines end."""
    depth, listed, quoted, skip = 0, False, False, 0
    kept = _Kept()
    while chunk := raw.read(_CHUNK):
        at = 0
        for token in _TOKEN.finditer(chunk, skip):
            sign, here = chunk[token.start() : token.start() + 1], token.start()
            if quoted or sign == b"\\":
                quoted = quoted and sign != b'"'
            elif sign == b'"':
                quoted = depth > 0
            elif sign in b"{[":
                if depth == 0:
                    listed, at = sign == b"[", here + (sign == b"[")
                depth += 1
            elif sign in b"}]" and depth:
                depth -= 1
                if depth == 0:
                    yield from kept.take(chunk[at : here + (not listed)])
                    at = here + 1
            elif sign == b"," and listed and depth == 1:
                yield from kept.take(chunk[at:here])
                at = here + 1
        skip = 1 if quoted and _ends_escaping(chunk, skip) else 0
        if depth:
            kept.add(chunk[at:])
    yield from kept.take(b"")


def _ends_escaping(chunk: bytes, start: int) -> bool:
    """Whether the chunk ends in a backslash that escapes the next one's first byte."""
    tail = chunk[start:]
    return (len(tail) - len(tail.rstrip(b"\\"))) % 2 == 1


class _Kept:
    """What was read of an element so far, of a very long one its beginning."""

    def __init__(self) -> None:
        self._bytes, self._size = bytearray(), 0

    def add(self, part: bytes) -> None:
        """Keep one more part."""
        self._size += len(part)
        if self._size <= MAX_ITEM:
            self._bytes += part
        else:
            del self._bytes[_SHOWN:]

    def take(self, last: bytes) -> Iterator[tuple[bytes, int]]:
        """The whole element, if it is not blank, and begin anew."""
        self.add(last)
        value, size = bytes(self._bytes).strip(), self._size
        self._bytes.clear()
        self._size = 0
        if value:
            yield value, (size if size > MAX_ITEM else len(value))


def _rows(raw: io.BufferedReader, separator: str) -> Iterator[tuple[bytes, int]]:
    """Rows as JSON objects: dotted columns are nested, cells that are JSON are read, empty cells are left out."""
    csv.field_size_limit(MAX_ITEM)
    text = io.TextIOWrapper(raw, "utf-8-sig", "replace", newline="")
    for row in csv.DictReader(text, delimiter=separator):
        made: dict[str, Any] = {}
        for column, cell in row.items():
            if isinstance(column, str) and isinstance(cell, str) and cell not in _NO_CELL:
                _put(made, column.strip().split("."), _cell(cell))
        value = orjson.dumps(made)
        yield value, len(value)


def _put(made: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        inner = made.get(name)
        if not isinstance(inner, dict):
            inner = made[name] = {}
        made = inner
    made[path[-1]] = value


def _cell(cell: str) -> Any:
    if cell[:1] in ("{", "["):
        try:
            return orjson.loads(cell)
        except orjson.JSONDecodeError:
            return cell
    return {"true": True, "false": False}.get(cell.lower(), cell)
