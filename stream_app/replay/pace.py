"""The pace of history."""

from __future__ import annotations


class Pace:
    """Says how long to wait before each item so that history runs ``speed`` times as fast as it did.

    The first timed item goes at once and sets the clock. An item older than the clock goes at once too. ``speed`` None
    is flat out: nothing waits.
    """

    def __init__(self, speed: float | None) -> None:
        self._speed = speed
        self._origin: float | None = None

    def delay(self, when: float | None, now: float) -> float:
        """Seconds from ``now`` (monotonic clock) until an item of time ``when`` is due; 0 when it has no time."""
        if self._speed is None or when is None:
            return 0.0
        if self._origin is None:
            self._origin = now - when / self._speed
        return max(0.0, self._origin + when / self._speed - now)
