"""How many posts a replica holds at once, and how many bytes of them."""

from __future__ import annotations

import asyncio

from aiokafka import ConsumerRecord

from stream_app.pipeline.events.publish import Record


class Room:
    """Counts posts in memory and their bytes; reading waits while there are ``size`` of them, or ``max_bytes``.

    The bytes are those of records as they came and of decoded images: what a post takes besides is in proportion.
    """

    def __init__(self, size: int, max_bytes: int) -> None:
        self.size, self.max_bytes = size, max_bytes
        self.taken = self.held = 0
        self._mean = 1.0
        self._left = asyncio.Event()

    async def wait(self) -> int:
        """Wait until a record may enter; how many may, by the size of those that came last."""
        while self.taken >= self.size or self.held >= self.max_bytes:
            self._left.clear()
            await self._left.wait()
        return max(1, min(self.size - self.taken, int((self.max_bytes - self.held) / self._mean)))

    def enter(self, posts: int, size: int = 0) -> None:
        """Posts were read, with records of ``size`` bytes."""
        self.taken += posts
        self.held += size
        if posts and size:
            self._mean = max(size / posts, 1.0)

    def hold(self, size: int) -> None:
        """Posts in memory have so many bytes more, of images."""
        self.held += size

    def leave(self, posts: int, size: int = 0) -> None:
        """Posts were published, or let go of ``size`` bytes."""
        self.taken -= posts
        self.held -= size
        self._left.set()

    def clear(self) -> None:
        """All posts were dropped."""
        self.leave(self.taken, self.held)


def size_of(record: ConsumerRecord | Record) -> int:
    """Bytes of a record's key, value and headers."""
    headers = sum(len(name) + len(value or b"") for name, value in record.headers)
    return len(record.value or b"") + len(record.key or b"") + headers
