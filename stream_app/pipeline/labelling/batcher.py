"""Gathers posts into batches: given out when full, or when the oldest has waited long enough and the model has room.

A batch that is not full would only stand at a busy model's door, while those who come meanwhile could still join it.
But a model on several cores takes two small ones side by side, each on a core of its own. One after the other they
would use half of what there is: at half load the next could never be small again.
Lanes take turns, so that a post is not behind the backlog of another partition; or the one with the newest goes first.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict, deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Batcher(Generic[T]):
    """A queue read in batches.

    Args:
        size: Items of a full batch.
        deadline_s: A batch that is not full is given out when its oldest item is this old and there is room.
        newest_first: The lane whose first item was written last goes first, in place of turns.
        beside: There is room as long as fewer batches than this are out.
    """

    def __init__(self, size: int, deadline_s: float, *, newest_first: bool = False, beside: int = 1) -> None:
        self.size, self._deadline_s, self._newest_first, self.beside = size, deadline_s, newest_first, beside
        self._lanes: OrderedDict[int, deque[tuple[float, float, T]]] = OrderedDict()
        self._waiting = 0
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()
        self._out = 0

    def __len__(self) -> int:
        return self._waiting

    def add(self, item: T, lane: int = 0, written: float = 0.0) -> None:
        """Add one item, written at that moment of any clock, to the end of its lane; its age counts from now."""
        self._lanes.setdefault(lane, deque()).append((time.monotonic(), written, item))
        self._waiting += 1
        if self._waiting == 1 or self._waiting >= self.size:
            self._changed.set()

    def clear(self) -> None:
        """Drop everything that waits."""
        self._lanes.clear()
        self._waiting = 0

    def done(self) -> None:
        """A batch that was taken is through the model."""
        self._out -= 1
        self._changed.set()

    async def take(self) -> list[T]:
        """Wait for the next batch, 1 to ``size`` items, one lane's oldest after the other's; say :meth:`done` after it.

        Callers get their turns in order.
        """
        async with self._turn:
            while self._waiting < self.size:
                may = self._waiting and self._out < self.beside
                left = self._oldest() + self._deadline_s - time.monotonic() if may else None
                if left is not None and left <= 0:
                    break
                self._changed.clear()
                try:
                    await asyncio.wait_for(self._changed.wait(), left)
                except TimeoutError:
                    continue
            self._out += 1
            return [self._next() for _ in range(min(self.size, self._waiting))]

    def _oldest(self) -> float:
        return min(lane[0][0] for lane in self._lanes.values())

    def _next(self) -> T:
        if self._newest_first:
            number = max(self._lanes, key=lambda each: self._lanes[each][0][1])
            lane = self._lanes.pop(number)
        else:
            number, lane = self._lanes.popitem(last=False)
        item = lane.popleft()[2]
        if lane:
            self._lanes[number] = lane  # behind the others
        self._waiting -= 1
        return item
