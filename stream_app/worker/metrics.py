"""What a replica tells Prometheus. Counted per batch, since a counter's lock costs more than the counting."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Sequence
from typing import Any, NamedTuple

import prometheus_client as prometheus
from prometheus_client import CollectorRegistry

from model.scorer import CONCEPTS, ModelInfo
from stream_app.pipeline.events.build import DuplicateInfo, Spent
from stream_app.pipeline.labelling.describe import Labelling
from stream_app.pipeline.labelling.models import Agreement
from stream_app.worker.histogram import Histogram

_BYTES = (2**10, 2**12, 2**14, 2**16, 2**18, 2**20, 2**21, 2**22, 2**23, 2**24)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Told(NamedTuple):
    """What is counted of an event: what it says, how long it took, whether it repeats another."""

    labelling: Labelling
    spent: Spent
    duplicate: DuplicateInfo


class Metrics:
    """The metrics of one replica, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        make: Any = {"registry": self.registry, "namespace": "crisis_stream"}
        self._posts = prometheus.Counter("posts", "Records of the feed, by what became of them", ["became"], **make)
        self._labels = prometheus.Counter(
            "labels", "Events published, by concept and label", ["concept", "label"], **make
        )
        self._degraded = prometheus.Counter("events_degraded", "Events published without all of their images", **make)
        self._duplicates = prometheus.Counter("duplicates", "Events that share the labels of another post", **make)
        self._dead = prometheus.Counter("dead_letters", "Dead letters, by step that failed", ["stage"], **make)
        self._media = prometheus.Counter("media", "Images, by what became of them", ["status"], **make)
        self._batch = prometheus.Histogram(
            "batch_posts", "Posts per call of the model", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256, 512), **make
        )
        self._stages = Histogram(
            "crisis_stream_stage_seconds",
            "Time per step: model per batch, media, queue and total per post",
            "stage",
            _SECONDS,
            self.registry,
        )
        self._transaction = prometheus.Histogram(
            "transaction_seconds", "Time to publish and commit one batch", buckets=_SECONDS, **make
        )
        self._transaction_bytes = prometheus.Histogram(
            "transaction_bytes", "Bytes published in one transaction, before compression", buckets=_BYTES, **make
        )
        self._shadow = prometheus.Counter(
            "shadow_posts", "Posts both models labelled, by whether they agree", ["concept", "agree"], **make
        )
        self._model = prometheus.Gauge("model_info", "The model in use", ["name", "version", "hash"], **make)
        self._expired = prometheus.Counter(
            "posts_expired", "Records of the feed that Kafka deleted before they were read", **make
        )
        self._lag = prometheus.Gauge("consumer_lag", "Records not yet labelled and committed", ["partition"], **make)
        self._in_flight = prometheus.Gauge("in_flight_posts", "Posts held in memory", **make)

    def batch(self, posts: int, seconds: float) -> None:
        """One call of the model."""
        self._batch.observe(posts)
        self._stages.observe("model", [seconds])

    def events(self, events: Sequence[Told]) -> None:
        """Events that were published."""
        for labels, number in Tally([each.labelling.labels for each in events]).items():
            for concept, label in zip(CONCEPTS, labels, strict=True):
                self._labels.labels(concept, label or "none").inc(number)
        first = [each for each in events if each.duplicate.of is None]
        for status, number in Tally(status for each in first for status in each.labelling.media).items():
            self._media.labels(status).inc(number)
        self._stages.observe("media", [each.spent.media_ms / 1000 for each in first])
        self._stages.observe("queue", [each.spent.queue_ms / 1000 for each in first])
        self._stages.observe("total", [each.spent.total_ms / 1000 for each in events])
        self._posts.labels("event").inc(len(events))
        self._duplicates.inc(len(events) - len(first))
        self._degraded.inc(sum(bool(each.labelling.degraded_reasons) for each in events))

    def control_lines(self, count: int) -> None:
        """Records that are no posts and were skipped."""
        if count:
            self._posts.labels("control_line").inc(count)

    def neither(self, became: str) -> None:
        """A withdrawal, or a post that was overtaken by one or by its edit."""
        self._posts.labels(became).inc()

    def dead_letter(self, stage: str) -> None:
        """A record that became a dead letter."""
        self._posts.labels("dead_letter").inc()
        self._dead.labels(stage).inc()

    def expired(self, count: int) -> None:
        """Records that were gone before they were read."""
        self._expired.inc(count)

    def transaction(self, seconds: float, size: int) -> None:
        """A transaction of ``size`` bytes that was committed."""
        self._transaction.observe(seconds)
        self._transaction_bytes.observe(size)

    def shadow(self, agreement: Agreement) -> None:
        """How often the shadow model gave the same label."""
        for concept, (same, compared) in agreement.items():
            self._shadow.labels(concept, "yes").inc(same)
            self._shadow.labels(concept, "no").inc(compared - same)

    def model(self, model: ModelInfo) -> None:
        """The model in use from now on."""
        self._model.clear()
        self._model.labels(model.name, model.version, model.hash).set(1)

    def text(self, lag: dict[int, int], in_flight: int) -> bytes:
        """Everything in Prometheus' text format; ``lag`` per partition and ``in_flight`` are as of now."""
        self._lag.clear()
        for partition, records in lag.items():
            self._lag.labels(str(partition)).set(records)
        self._in_flight.set(in_flight)
        return prometheus.generate_latest(self.registry)
