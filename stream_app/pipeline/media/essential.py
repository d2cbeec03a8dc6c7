"""A file without what its picture does not need: no metadata of a stranger's reaches a decoder.

Pillow reads EXIF, MPF, text and comments while it opens a file. Each of these has been a bomb of time or memory, and
each damaged tag is a warning that Python remembers for ever. The one thing that matters in them is which way is up.

Sources: JPEG ITU-T T.81 annex B; PNG W3C Recommendation (third edition) chapters 5 and 11; WebP RFC 9649 section 2.3;
EXIF CIPA DC-008-2023 sections 4.5 and 4.6.
"""

from __future__ import annotations

import struct

from stream_app.pipeline.media.avif import without_metadata
from stream_app.pipeline.media.outcome import NotUsedError
from stream_app.pipeline.media.sniff import Format

MAX_PARTS = 10_000
"""Segments of a JPEG's head or chunks of a PNG: 8 MB in libpng's own chunks of 8 kB are a tenth of that."""

_FRAMES_AND_TABLES = frozenset({*range(0xC0, 0xD0), 0xDB, 0xDC, 0xDD, 0xDF})
_COLOURS = frozenset({0xE0, 0xEE})  # JFIF's and Adobe's, which say what the components are
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})  # markers without a segment
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_EXIF = b"Exif\0\0"
_ORIENTATION, _INTEGERS = 0x0112, {3: "H", 4: "L"}  # a SHORT by the standard; some write a LONG


def essential(data: bytes, form: Format) -> tuple[bytes, int]:
    """The file as a decoder may have it, and its EXIF orientation (1 to 8; 1, upright, where it has none).

    A WebP comes back whole: opening one reads no metadata. An AVIF's orientation is a property of its picture, which
    Pillow tells.

    Raises:
        NotUsedError: unsupported, in more than ``MAX_PARTS`` parts; or failed, when it is cut off before its picture.
    """
    try:
        return {"JPEG": _jpeg, "PNG": _png, "WEBP": _webp, "AVIF": _avif}[form](data)
    except (struct.error, IndexError, ValueError) as error:
        raise NotUsedError("failed", "the image is broken: it ends within its head") from error


def _jpeg(data: bytes) -> tuple[bytes, int]:
    kept, exif, at = [data[:2]], b"", 2
    for _ in range(MAX_PARTS):
        at = data.index(b"\xff", at)  # whatever stands between segments is skipped, as libjpeg does
        while data[at + 1] == 0xFF:
            at += 1
        marker = data[at + 1]
        if marker == _START_OF_SCAN:
            return b"".join([*kept, data[at:]]), orientation(exif)
        if marker == 0 or marker in _ALONE:
            at += 2
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        end = at + 2 + max(length, 2)
        if marker in _FRAMES_AND_TABLES or marker in _COLOURS:
            kept.append(data[at:end])
        elif marker == _APP1 and not exif and data.startswith(_EXIF, at + 4):
            exif = data[at + 4 : end]
        at = end
    raise _too_many()


def _png(data: bytes) -> tuple[bytes, int]:
    kept, exif, at = [data[:8]], b"", 8
    for _ in range(MAX_PARTS):
        if at >= len(data):
            return b"".join(kept), orientation(exif)
        length, kind = struct.unpack_from(">L4s", data, at)
        end = at + 12 + length
        if kind in _CHUNKS:
            kept.append(data[at:end])
        elif kind == b"eXIf" and not exif:
            exif = data[at + 8 : end - 4]
        at = end if kind != b"IEND" else len(data)
    raise _too_many()


def _webp(data: bytes) -> tuple[bytes, int]:
    at = 12
    for _ in range(MAX_PARTS):
        if at + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sL", data, at)
        if kind == b"EXIF":
            return data, orientation(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2
    return data, 1


def _avif(data: bytes) -> tuple[bytes, int]:
    return without_metadata(data), 1


def orientation(exif: bytes) -> int:
    """The orientation tag of the first directory of EXIF data, with or without its ``Exif`` prefix; 1 for none."""
    tiff = exif.removeprefix(_EXIF)
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (start,) = struct.unpack_from(f"{order}L", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, start)
        for number in range(count):
            at = start + 2 + 12 * number
            tag, kind = struct.unpack_from(f"{order}HH", tiff, at)
            if tag == _ORIENTATION:
                (value,) = struct.unpack_from(f"{order}{_INTEGERS.get(kind, 'B')}", tiff, at + 8)
                return value if kind in _INTEGERS and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _too_many() -> NotUsedError:
    return NotUsedError("unsupported", f"the file has more than {MAX_PARTS:,} parts")
