"""Which events and incidents a subscriber wants to see. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from model.scorer import CONCEPTS, Concept
from stream_app.incidents.geometry import distance_km
from stream_app.incidents.incident import Incident, IncidentPlace
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.events.route import alarms_of
from stream_app.pipeline.posts.post import Place
from stream_app.settings import AlertSettings

Where = Callable[[Place | IncidentPlace], bool]
_NUMBER = re.compile(r"\s*-?\d+(\.\d+)?\s*")


@dataclass(frozen=True, slots=True)
class Filter:
    """What must hold; None asks nothing. ``min_confidence`` is asked of each task in ``tasks``, or of those with a
    wanted label, or else of the humanitarian label.
    """

    tasks: tuple[Concept, ...] = ()
    labels: frozenset[str] = frozenset()
    min_confidence: float = 0.0
    place: Where | None = None
    language: str | None = None
    alerts: AlertSettings | None = None
    """Only what passes one of these rules (:func:`.route.alarms_of`)."""
    copies: bool = True
    """Whether reposts and copies pass."""

    def event(self, event: Event) -> bool:
        """Whether ``event`` passes. One of ``labels`` must be the label of one of ``tasks`` (any task when none)."""
        labels = {concept: getattr(event.labels, concept) for concept in self.tasks or CONCEPTS}
        found = [label for label in labels.values() if label.label in self.labels]
        if self.labels and not found:
            return False
        asked = found or ([*labels.values()] if self.tasks else [event.labels.humanitarian])
        if (self.tasks or self.min_confidence) and not any(
            label.label is not None and (label.probability or 0.0) >= self.min_confidence for label in asked
        ):
            return False
        if self.language is not None and event.post.language != self.language:
            return False
        if not self.copies and event.duplicate_of is not None:
            return False
        if self.alerts and not alarms_of(event.labels, self.alerts):
            return False
        return self.place is None or (event.post.place is not None and self.place(event.post.place))

    def incident(self, incident: Incident) -> bool:
        """Whether ``incident`` passes: its category for a label, its severity score for the confidence, its place."""
        if self.labels and incident.category not in self.labels:
            return False
        if incident.severity_score < self.min_confidence:
            return False
        return self.place is None or (incident.place is not None and self.place(incident.place))


def parse_place(text: str) -> Where:
    """Read a place filter: ``west,south,east,north`` degrees, ``latitude,longitude,radius km``, or part of a name.

    A box whose west is east of its east goes across the date line.

    Raises:
        ValueError: numbers that are neither.
    """
    parts = text.split(",")
    if not all(_NUMBER.fullmatch(part) for part in parts):
        wanted = text.casefold().strip()
        return lambda place: wanted in (place.name or "").casefold() or wanted == (place.country_code or "").casefold()
    numbers = [float(part) for part in parts]
    if len(numbers) == 4:
        return _in_box(*numbers)
    if len(numbers) == 3 and abs(numbers[0]) <= 90 and numbers[2] > 0:
        return _in_circle(*numbers)
    raise ValueError(
        f"{text!r} is no place: give a name, a box as west,south,east,north, or a circle as latitude,longitude,km"
    )


def _in_box(west: float, south: float, east: float, north: float) -> Where:
    if south > north or max(abs(south), abs(north)) > 90:
        raise ValueError(f"a box is west,south,east,north in degrees; {south:g} to {north:g} is no range of latitudes")

    def within(place: Place | IncidentPlace) -> bool:
        if place.latitude is None or place.longitude is None:
            return False
        across = west > east
        inside = west <= place.longitude or place.longitude <= east if across else west <= place.longitude <= east
        return inside and south <= place.latitude <= north

    return within


def _in_circle(latitude: float, longitude: float, radius_km: float) -> Where:
    def within(place: Place | IncidentPlace) -> bool:
        if place.latitude is None or place.longitude is None:
            return False
        return distance_km((latitude, longitude), (place.latitude, place.longitude)) <= radius_km

    return within
