"""What the program that keeps incidents tells of itself: whether it is well and ready, and its metrics."""

from __future__ import annotations

import time
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

STALL_S = 60.0
"""Incidents are looked through every few seconds; when that has not come about for so long, something is stuck."""


class Health:
    """Counts, and the answers to a supervisor's questions, of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        make: Any = {"registry": self.registry, "namespace": "crisis_stream_incidents"}
        self.events = prometheus.Counter("events", "Events read, by what became of them", ["became"], **make)
        self.posts = prometheus.Gauge("posts", "Posts in memory", **make)
        self.updates = prometheus.Counter("updates", "Incidents published, each time that they change", **make)
        self.failures = prometheus.Counter(
            "failures", "Posts and incidents left out, each with a line in the log", **make
        )
        self._lag = prometheus.Gauge("lag", "Events not yet read", ["partition"], **make)
        self._app: Any = None
        self._looked_at = time.monotonic()

    def watch(self, app: Any) -> None:
        """Tell of this Faust application, once it is made."""
        self._app = app

    def looked(self) -> None:
        """All incidents were looked through."""
        self._looked_at = time.monotonic()

    def lag(self, records: dict[int, int]) -> None:
        """Records behind the end of each partition of events."""
        self._lag.clear()
        for partition, count in records.items():
            self._lag.labels(str(partition)).set(count)

    def ill(self) -> str | None:
        """Why the process should be restarted, or None."""
        if self._app is not None and self._app.crashed:
            return f"crashed: {self._app.crash_reason!r}"
        silent = time.monotonic() - self._looked_at
        if self._recovered() and silent > STALL_S:
            return f"incidents were not looked through for {silent:.0f} s"
        return None

    def unready(self) -> str | None:
        """Why no events are gathered yet, or None."""
        return self.ill() if self._recovered() else "the table is being read back from Kafka"

    def metrics_text(self) -> bytes:
        """Metrics as of now."""
        return prometheus.generate_latest(self.registry)

    def _recovered(self) -> bool:
        return self._app is not None and self._app.started and self._app.tables.recovery.completed.is_set()
