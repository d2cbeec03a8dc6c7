"""What the first bytes of a file say it is; what a host says it is decides nothing.

Sources: JPEG ITU-T T.81 annex B; PNG W3C Recommendation (third edition) sections 5.2 and 11.2.1; WebP RFC 9649; brands
of AVIF and HEIC: ISO/IEC 14496-12 section 4.3, AV1 Image File Format 1.1.0 section 6, ISO/IEC 23008-12 annex B.4.
"""

from __future__ import annotations

from typing import Literal

Format = Literal["JPEG", "PNG", "WEBP", "AVIF"]

CONTENT_TYPES: dict[Format, str] = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
}

SNIFFED = 32
"""Bytes that are enough to tell."""

_HEIC = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})


def sniff(head: bytes | bytearray) -> Format | None:
    """The format that a file beginning with ``head`` (at least ``SNIFFED`` bytes of it) has; None for all others."""
    if head[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "WEBP"
    return "AVIF" if b"avif" in _brands(head) else None


def not_read(head: bytes | bytearray) -> str:
    """Why a file that :func:`sniff` has no format for is not read."""
    if not _HEIC.isdisjoint(_brands(head)):
        return "a HEIC image, which is not read: post it as JPEG"
    return "not a JPEG, PNG, WebP or AVIF image"


def _brands(head: bytes | bytearray) -> frozenset[bytes]:
    """What a file of boxes says it can be read as: its major brand and those it is compatible with."""
    if head[4:8] != b"ftyp":
        return frozenset()
    end = min(int.from_bytes(head[:4], "big"), len(head), SNIFFED)
    return frozenset(bytes(head[at : at + 4]) for at in (8, *range(16, end, 4)))


def webp_size(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels from a WebP header (RFC 9649 sections 2.5 to 2.7), None where it has none.

    Read here because Pillow reserves the whole canvas already on opening such a file.
    """
    chunk = data[12:16]
    if chunk == b"VP8X" and len(data) >= 30:
        return _little(data[24:27]) + 1, _little(data[27:30]) + 1
    if chunk == b"VP8L" and len(data) >= 25 and data[20] == 0x2F:
        packed = _little(data[21:25])
        return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(data) >= 30 and data[23:26] == b"\x9d\x01\x2a":
        return _little(data[26:28]) & 0x3FFF, _little(data[28:30]) & 0x3FFF
    return None


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")
