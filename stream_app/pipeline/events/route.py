"""Which topics an event goes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from model.scorer import CONCEPTS, Concept
from stream_app.pipeline.events.event import Labels
from stream_app.settings import AlertRule, AlertSettings, TopicSettings


class Judged(Protocol):
    """A concept's label, as the model gives it or as an event carries it."""

    @property
    def label(self) -> str | None:
        """The label; None where the concept does not apply."""
        ...

    @property
    def probability(self) -> float | None:
        """Of the label."""
        ...


def topics_of(labels: Mapping[Concept, Judged], topics: TopicSettings, alerts: AlertSettings) -> list[str]:
    """The events topic, then one alert topic for each task whose rule its label passes."""
    return [topics.events, *map(topics.alerts, alerts_of(labels, alerts))]


def alarms_of(labels: Labels, alerts: AlertSettings) -> list[Concept]:
    """As :func:`alerts_of`, of an event and without informativeness: to be informative is no alarm by itself."""
    judged: dict[Concept, Judged] = {task: getattr(labels, task) for task in CONCEPTS}
    return [task for task in alerts_of(judged, alerts) if task != "informativeness"]


def alerts_of(labels: Mapping[Concept, Judged], alerts: AlertSettings) -> list[Concept]:
    """Tasks whose rule passes: the label is among the rule's and its probability reaches the rule's."""
    raised: list[Concept] = []
    for task, score in labels.items():
        rule: AlertRule = getattr(alerts, task)
        if score.label in rule.labels and (score.probability or 0.0) >= rule.min_probability:
            raised.append(task)
    return raised
