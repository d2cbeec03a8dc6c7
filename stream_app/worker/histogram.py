"""A Prometheus histogram that takes many observations at once; one at a time they cost more than what they time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from threading import Lock

import numpy as np
from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector


class Histogram(Collector):
    """Counts observations per bucket for each value of one label.

    Args:
        name: As exported.
        documentation: What it counts.
        label: The label's name.
        bounds: Inclusive upper bounds of the buckets, rising; one without bound is added.
        registry: Where it registers itself.
    """

    def __init__(
        self, name: str, documentation: str, label: str, bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name, self._documentation, self._labelnames = name, documentation, (label,)
        self._bounds = np.asarray(bounds, float)
        self._lock = Lock()
        self._seen: dict[str, tuple[np.ndarray, float]] = {}
        registry.register(self)

    def observe(self, label: str, values: Sequence[float]) -> None:
        """Count ``values`` under one value of the label."""
        added = np.bincount(np.searchsorted(self._bounds, values), minlength=len(self._bounds) + 1)
        with self._lock:
            counts, total = self._seen.get(label, (np.zeros_like(added), 0.0))
            self._seen[label] = counts + added, total + sum(values)

    def collect(self) -> Iterable[HistogramMetricFamily]:
        """What was counted so far, cumulative as Prometheus wants it."""
        family = HistogramMetricFamily(self._name, self._documentation, labels=self._labelnames)
        with self._lock:
            seen = sorted(self._seen.items())
        names = [*self._bounds.tolist(), float("inf")]
        for label, (counts, total) in seen:
            rising = accumulate(counts.tolist())
            buckets = [
                ("+Inf" if bound == float("inf") else str(bound), count)
                for bound, count in zip(names, rising, strict=True)
            ]
            family.add_metric([label], buckets, total)
        yield family
