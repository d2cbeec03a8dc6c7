"""What aiokafka says a hundred times a second while Kafka is away, said once in ten seconds."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable

EVERY_S = 10.0
"""So long the same message, whatever node or error it names, is not said again."""
_LOGGERS = ("", ".cluster", ".conn", ".consumer.fetcher", ".consumer.group_coordinator", ".producer.sender")
_MOST = 1000
"""Messages remembered; aiokafka has some two hundred."""


class Seldom(logging.Filter):
    """Lets a message through that was not said for ``every_s`` seconds, with how often it was held back since."""

    def __init__(self, every_s: float = EVERY_S, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._every_s, self._clock = every_s, clock
        self._said: dict[tuple[int, str], float] = {}
        self._held: Counter[tuple[int, str]] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is said; its message tells of those that were not."""
        what, now = (record.levelno, str(record.msg)), self._clock()
        if now - self._said.get(what, -self._every_s) < self._every_s:
            self._held[what] += 1
            return False
        if len(self._said) == _MOST:
            self._said.clear()
        self._said[what] = now
        if held := self._held.pop(what, 0):
            record.msg = f"{record.msg} ({held} like it before)"
        return True


def say_seldom() -> None:
    """From here on aiokafka's clients say the same thing seldom."""
    seldom = Seldom()
    for name in _LOGGERS:
        logging.getLogger(f"aiokafka{name}").addFilter(seldom)
