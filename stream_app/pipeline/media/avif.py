"""What an AVIF file says of itself before anything decodes it: its sizes, and where its metadata lies.

The size in its boxes is a promise; what a decoder reserves memory for is the size in each AV1 sequence header. So both
are read, of every picture in the file: tiles, transparency and thumbnails. Sources: ISO/IEC 14496-12 (boxes),
ISO/IEC 23008-12 (items), AV1 Image File Format 1.1.0 section 2, AV1 Bitstream Specification sections 5.3 to 5.5.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from stream_app.pipeline.media.outcome import NotUsedError

MAX_BOXES = 2_000
"""A picture in tiles has some dozens."""

_SEQUENCE_HEADER = 1
_METADATA = frozenset({b"Exif", b"mime"})

Span = tuple[int, int]


def avif_pixels(data: bytes) -> tuple[tuple[int, int], int]:
    """Width and height of the largest picture in the file, and the pixels that a decoder makes of all of them.

    Raises:
        NotUsedError: unsupported, an animation or built in an unusual way.
        struct.error, IndexError, ValueError: it is cut off or broken.
    """
    sizes: list[tuple[int, int]] = []
    coded = 0
    meta = _meta(data)
    for start, end in _find(data, meta, b"iprp", b"ipco"):
        for kind, at, _ in boxes(data, start, end):
            if kind == b"ispe":
                sizes.append(struct.unpack_from(">LL", data, at + 4))
    for item in _items(data, meta):
        for width, height in _coded_sizes(item):
            sizes.append((width, height))
            coded += width * height
    return max(sizes, key=lambda size: size[0] * size[1]), coded


def without_metadata(data: bytes) -> bytes:
    """The file with EXIF and XMP renamed, so that nobody finds them; a property of its own says which way is up."""
    out = bytearray(data)
    for _, kind, at in _entries(data, _meta(data)):
        if kind in _METADATA:
            out[at : at + 4] = b"skip"
    return bytes(out)


def boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of the content of each box between two places of the file."""
    for _ in range(MAX_BOXES):
        if at >= end:
            return
        size, kind = struct.unpack_from(">L4s", data, at)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        stop = end if size == 0 else at + size
        if stop > end or stop < at + head:
            raise ValueError("a box reaches beyond what holds it")
        yield kind, at + head, stop
        at = stop
    raise NotUsedError("unsupported", f"the file has more than {MAX_BOXES:,} parts")


def _meta(data: bytes) -> Span:
    found: dict[bytes, Span] = {}
    for kind, start, end in boxes(data, 0, len(data)):
        found.setdefault(kind, (start + 4, end))
    if b"moov" in found:
        raise NotUsedError("unsupported", "an animated AVIF is no photo")
    if b"meta" not in found:
        raise ValueError("there is no picture in it")
    return found[b"meta"]


def _find(data: bytes, within: Span, *path: bytes) -> list[Span]:
    spans = [within]
    for name in path:
        spans = [(start, end) for span in spans for kind, start, end in boxes(data, *span) if kind == name]
    return spans


def _entries(data: bytes, meta: Span) -> Iterator[tuple[int, bytes, int]]:
    """Id and kind of each item, and where its kind is written."""
    for start, end in _find(data, meta, b"iinf"):
        for kind, at, _ in boxes(data, start + (6 if data[start] == 0 else 8), end):
            version = data[at]
            if kind == b"infe" and version >= 2:
                wide = version >= 3
                (number,) = struct.unpack_from(">L" if wide else ">H", data, at + 4)
                place = at + 4 + (4 if wide else 2) + 2
                yield number, data[place : place + 4], place


def _items(data: bytes, meta: Span) -> Iterator[bytes]:
    """The bytes of each AV1 picture, as often as it is used; shared ones cost a decoder as much as others."""
    pictures = {number for number, kind, _ in _entries(data, meta) if kind == b"av01"}
    inside = next(iter(_find(data, meta, b"idat")), (0, 0))
    for start, _ in _find(data, meta, b"iloc"):
        for number, method, extents in _places(data, start):
            if number in pictures:
                if method > 1:
                    raise NotUsedError("unsupported", "the AVIF is built in an unusual way")
                base, end = (0, len(data)) if method == 0 else inside
                yield b"".join(data[base + at : min(base + at + size, end) if size else end] for at, size in extents)


def _places(data: bytes, at: int) -> Iterator[tuple[int, int, list[Span]]]:
    """Each item's id, how it is stored, and offset and length of its parts (the box ``iloc``)."""
    version, sizes = data[at], struct.unpack_from(">H", data, at + 4)[0]
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    at += 6

    def take(size: int) -> int:
        nonlocal at
        if at + size > len(data):
            raise ValueError("it ends within its head")
        value = int.from_bytes(data[at : at + size], "big")
        at += size
        return value

    for _ in range(min(take(4 if version == 2 else 2), MAX_BOXES)):
        number = take(4 if version == 2 else 2)
        method = take(2) & 15 if version else 0
        take(2)
        base = take(base_size)
        extents = []
        for _ in range(take(2)):
            if version:
                take(index_size)
            offset = take(offset_size)
            extents.append((base + offset, take(length_size)))
        yield number, method, extents


def _coded_sizes(item: bytes) -> Iterator[tuple[int, int]]:
    """The size in each sequence header of one AV1 picture."""
    at = 0
    while at < len(item):
        head = item[at]
        at += 2 if head & 4 else 1
        size = len(item) - at
        if head & 2:
            size, at = _leb128(item, at)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            yield _sequence_size(item[at : at + size])
        at += size


def _leb128(item: bytes, at: int) -> tuple[int, int]:
    value = 0
    for i in range(8):
        value |= (item[at + i] & 127) << 7 * i
        if item[at + i] < 128:
            return value, at + i + 1
    raise ValueError("a length has no end")


def _sequence_size(header: bytes) -> tuple[int, int]:
    """Width and height; the largest that a frame may ask for where frames may have sizes of their own."""
    bits, left = int.from_bytes(header[:64], "big"), 8 * len(header[:64])

    def take(count: int) -> int:
        nonlocal left
        left -= count
        if left < 0:
            raise ValueError("a sequence header ends early")
        return bits >> left & (1 << count) - 1

    take(4)  # profile, still picture
    fixed = take(1)
    if fixed:
        take(5)  # level
    else:
        if take(1):
            raise NotUsedError("unsupported", "the AVIF is built in an unusual way")  # timing: it is a film
        delays = take(1)
        for _ in range(take(5) + 1):
            take(12)
            if take(5) > 7:
                take(1)
            if delays and take(1):
                take(4)
    width_bits, height_bits = take(4) + 1, take(4) + 1
    width, height = take(width_bits) + 1, take(height_bits) + 1
    return (width, height) if fixed else (max(width, 1 << width_bits - 1), max(height, 1 << height_bits - 1))
