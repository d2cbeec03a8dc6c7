"""How late this process was to hear others: what it was too busy to hear is nobody else's fault.

A host's answer is noticed when the event loop comes round to it. Where that takes long, because other work holds the
loop or the machine gives the process no core, every host would seem slow. So a task asks to be woken again and again,
and notes by how much it is woken too late.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable
from heapq import nlargest
from itertools import takewhile

TICK_S = 0.02
"""How often it asks: lateness shorter than this is mostly not seen, and costs an answer no more than itself."""
HEARD = 5
"""What a fetch waits to hear of: the address, the connection, that it may write, the answer's head, its body."""
_KEPT_S = 30.0
"""Longer than any fetch."""


class Lateness:
    """By how much the event loop was late lately, on ``clock``, since :meth:`listen` began."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due = math.inf
        self._late: deque[tuple[float, float]] = deque()

    def since(self, began: float) -> float:
        """Seconds that a fetch which began then may have lost by it: a delay for each time that it waits to hear.

        Each of these delays is one of the longest since; a loop that is a little late all the time excuses little.
        """
        now = self._clock()
        lately = takewhile(lambda each: each[0] > began, reversed(self._late))
        late = [max(now - self._due, 0.0), *(seconds for _, seconds in lately)]
        return min(sum(nlargest(HEARD, late)), now - began)

    def expect(self) -> None:
        """From now on the loop is late if :meth:`expect` is not called again within a tick."""
        now = self._clock()
        if now > self._due:
            self._late.append((now, now - self._due))
        while self._late and self._late[0][0] < now - _KEPT_S:
            self._late.popleft()
        self._due = now + TICK_S

    async def listen(self) -> None:
        """Measure until cancelled."""
        while True:
            self.expect()
            await asyncio.sleep(TICK_S)
