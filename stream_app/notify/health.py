"""What ``notify`` tells of itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry


class Health:
    """Counts, and the answers to a supervisor's questions, of one process."""

    def __init__(self, ready: Callable[[], bool] = lambda: True) -> None:
        self.ready = ready
        self.registry = CollectorRegistry()
        make: Any = {"registry": self.registry, "namespace": "crisis_stream_notify"}
        self._notices = prometheus.Counter("notices", "Notices done with", ["channel", "became"], **make)
        self._failed = prometheus.Counter("failed_calls", "Calls that did not get through", ["channel"], **make)
        self.waiting = prometheus.Gauge("waiting", "Notices not yet done with", ["channel"], **make)
        self.problems: dict[str, str] = {}
        """The last trouble of each channel that has not got through since."""

    def became(self, channel: str, state: str, count: int) -> None:
        """Notices were sent, silenced or failed."""
        self._notices.labels(channel, state).inc(count)
        if state == "sent":
            self.problems.pop(channel, None)

    def trouble(self, channel: str, problem: str) -> None:
        """A call did not get through."""
        self._failed.labels(channel).inc()
        self.problems[channel] = problem

    def ill(self) -> str | None:
        """Never by itself: what dies ends the process, and a channel that is down is no reason to restart."""
        return None

    def unready(self) -> str | None:
        """Why nothing is told yet, or None."""
        return None if self.ready() else "what was told before is being read back from Kafka"

    def metrics_text(self) -> bytes:
        """Metrics as of now."""
        return prometheus.generate_latest(self.registry)
