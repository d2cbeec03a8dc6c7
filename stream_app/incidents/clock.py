"""The time of the stream."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from stream_app.pipeline.posts.moment import moved


class StreamClock:
    """The latest arrival, and what has passed since. A backlog is no silence."""

    def __init__(self) -> None:
        self._latest: datetime | None = None
        self._at = 0.0

    def observe(self, arrived: datetime) -> None:
        """Take in when a post was labelled."""
        if self._latest is None or arrived > self._latest:
            self._latest, self._at = arrived, time.monotonic()

    def now(self) -> datetime | None:
        """The present; None before the first post."""
        return None if self._latest is None else moved(self._latest, timedelta(seconds=time.monotonic() - self._at))
