"""How far the work on one partition has come, when posts finish out of order.

A post that waits for a slow image must not hold back the posts behind it, nor may its offset be committed before it is
finished. So what is committed for a partition is a position (everything below it is finished) and, in the commit's
metadata, a bit for each finished offset above it. Whoever takes the partition over skips those. Both travel in the
transaction that publishes the results, so a post is published once whatever happens.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Collection

MAX_AHEAD = 24_000
"""Offsets above the position that can be marked finished: as many bits as fit the 4,096 characters that a broker
accepts as metadata (offset.metadata.max.bytes) in base 64."""

_FORMAT = "ahead1:"


class Progress:
    """The finished and the open offsets of one partition.

    Args:
        position: The committed position.
        metadata: The committed metadata; anything that is not ours counts as nothing finished ahead.
    """

    def __init__(self, position: int, metadata: str = "") -> None:
        self._position = position
        self._arrived: deque[int] = deque()
        self._finished: set[int] = set()
        self._skip = decode_ahead(position, metadata)

    def arrive(self, offset: int) -> bool:
        """Note that ``offset`` was read, in rising order; False if it was finished before and is to be skipped."""
        self._arrived.append(offset)
        if offset not in self._skip:
            return True
        self._skip.discard(offset)
        self._finished.add(offset)
        return False

    def unread(self, position: int, first: int) -> int:
        """How many of the offsets from ``position`` up to ``first`` were not finished before."""
        return first - position - sum(position <= offset < first for offset in self._skip)

    def fits(self, offset: int) -> bool:
        """Whether ``offset`` can be marked finished now; if not, posts long before it must finish first."""
        return offset - self._lowest_open() < MAX_AHEAD

    def after(self, offsets: Collection[int]) -> tuple[int, str]:
        """Position and metadata to commit once ``offsets`` are finished too; nothing changes here yet."""
        finished = self._finished.union(offsets)
        position = self._position
        for offset in self._arrived:
            if offset not in finished:
                position = offset
                break
            position = offset + 1
        ahead = {offset for offset in finished | self._skip if offset >= position}
        return position, encode_ahead(position, ahead)

    def reached(self, read: int) -> int:
        """How far the work has come when all below ``read`` was read: past the markers that close transactions too."""
        open_ = any(offset not in self._finished for offset in self._arrived)
        return self.after(())[0] if open_ else max(read, self._position)

    def finish(self, offsets: Collection[int]) -> None:
        """Note that ``offsets`` were finished and committed."""
        self._finished.update(offsets)
        while self._arrived and self._arrived[0] in self._finished:
            offset = self._arrived.popleft()
            self._finished.discard(offset)
            self._position = offset + 1

    def _lowest_open(self) -> int:
        return self._arrived[0] if self._arrived else self._position


def encode_ahead(position: int, offsets: Collection[int]) -> str:
    """A bit per offset from ``position`` on, in base 64; an empty string for none."""
    if not offsets:
        return ""
    bits = bytearray((max(offsets) - position) // 8 + 1)
    for offset in offsets:
        index = offset - position
        bits[index >> 3] |= 1 << (index & 7)
    return _FORMAT + base64.b64encode(bits).decode()


def decode_ahead(position: int, metadata: str) -> set[int]:
    """The offsets that :func:`encode_ahead` wrote; none if somebody else wrote the metadata."""
    if not metadata.startswith(_FORMAT):
        return set()
    try:
        bits = base64.b64decode(metadata.removeprefix(_FORMAT), validate=True)
    except (binascii.Error, ValueError):
        return set()
    return {position + 8 * i + bit for i, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1}
