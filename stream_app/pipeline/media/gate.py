"""So many pixels at once in this process: decoders hold several copies of a picture before it is made small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PixelGate:
    """Admits decoders, in the order they came, while their pixels together are at most a limit; a larger one alone."""

    def __init__(self) -> None:
        self._queue = threading.Lock()
        self._changed = threading.Condition()
        self._held = 0

    @contextmanager
    def hold(self, pixels: int, limit: int) -> Iterator[None]:
        """Wait until ``pixels`` fit within ``limit`` beside those held already, and hold them."""
        with self._queue, self._changed:  # whoever waits keeps those behind it waiting, so a large one has its turn
            self._changed.wait_for(lambda: self._held == 0 or self._held + pixels <= limit)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()


DECODING = PixelGate()
"""The process's one gate: the worker's decoders and a dashboard's alike."""
