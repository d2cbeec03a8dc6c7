"""The pace of history."""

from __future__ import annotations


class Pace:
    """Says how long to wait before each item so that history runs ``speed`` times as fast as it did.

    The first timed item goes at once and sets the clock. An item older than the clock goes at once too. ``speed`` None
    is flat out: nothing waits. No wait is longer than ``longest_s``: what is over it is taken off the clock.

    ``cut`` is how many waits were cut and ``cut_s`` by how much together; ``backward`` counts items that are older than
    one before them by more than a second.
    """

    def __init__(self, speed: float | None, longest_s: float = float("inf")) -> None:
        self._speed, self._longest_s = speed, longest_s
        self._origin: float | None = None
        self._newest = float("-inf")
        self.cut, self.cut_s, self.backward = 0, 0.0, 0

    def delay(self, when: float | None, now: float) -> float:
        """Seconds from ``now`` (monotonic clock) until an item of time ``when`` is due; 0 when it has no time."""
        if self._speed is None or when is None:
            return 0.0
        if self._origin is None:
            self._origin = now - when / self._speed
        self.backward += when < self._newest - 1
        self._newest = max(self._newest, when)
        wait = max(0.0, self._origin + when / self._speed - now)
        if wait > self._longest_s:
            self.cut, self.cut_s = self.cut + 1, self.cut_s + wait - self._longest_s
            self._origin -= wait - self._longest_s
            return self._longest_s
        return wait
