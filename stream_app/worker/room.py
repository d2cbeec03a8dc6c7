"""How many posts a replica holds at once."""

from __future__ import annotations

import asyncio


class Room:
    """Counts posts in memory; reading waits while there are ``size`` of them."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.taken = 0
        self._left = asyncio.Event()

    async def wait(self) -> int:
        """Wait until a post may enter; how many may."""
        while self.taken >= self.size:
            self._left.clear()
            await self._left.wait()
        return self.size - self.taken

    def enter(self, posts: int) -> None:
        """Posts were read."""
        self.taken += posts

    def leave(self, posts: int) -> None:
        """Posts were published."""
        self.taken -= posts
        self._left.set()

    def clear(self) -> None:
        """All posts were dropped."""
        self.leave(self.taken)
