"""Which topics an event goes to."""

from __future__ import annotations

from model.scorer import CONCEPTS, Concept
from stream_app.events.event import Event
from stream_app.settings import AlertSettings, TopicSettings


def topics_of(event: Event, topics: TopicSettings, alerts: AlertSettings) -> list[str]:
    """The events topic, then one alert topic for each task whose rule the event's label passes."""
    return [topics.events, *(topics.alerts(task) for task in alerts_of(event, alerts))]


def alerts_of(event: Event, alerts: AlertSettings) -> list[Concept]:
    """Tasks whose rule passes: the label is among the rule's and its probability reaches the rule's."""
    raised: list[Concept] = []
    for task in CONCEPTS:
        label, rule = getattr(event.labels, task), getattr(alerts, task)
        if label.label in rule.labels and label.probability >= rule.min_probability:
            raised.append(task)
    return raised
