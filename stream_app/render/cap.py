"""Events and incidents as messages of the Common Alerting Protocol 1.2 (OASIS Standard, 1 July 2010).

What this program knows are unchecked posts, labelled by a model. So messages say ``Exercise`` and ``Restricted`` unless
told otherwise, certainty is never more than ``Likely``, and nothing is said to be ``Observed``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal
from xml.etree import ElementTree as ET

from stream_app.decisions.shown import Said, Shown
from stream_app.incidents.incident import IncidentPlace
from stream_app.incidents.sighting import severity_of
from stream_app.incidents.summary import TITLES, severity_label
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.moment import moved
from stream_app.pipeline.posts.post import Place
from stream_app.render.printable import xml_text
from stream_app.render.shown import Seen

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
_EVENT_RADIUS_KM = {"point": 1.0, "coordinates": 1.0, "place": 25.0, "gazetteer": 25.0}
_CERTAIN_AUTHORS = 5
_EXPIRES = timedelta(hours=6)
"""What is not said again for so long is over; incidents close after the same silence."""
_CATEGORY = {"affected_individuals": "Rescue", "infrastructure_and_utility_damage": "Infra"}
_NOT_IN_NAMES = re.compile(r"[\s,<&]+")


@dataclass(frozen=True, slots=True)
class CapOptions:
    """Who sends, and for what use. ``Actual`` with ``Public`` must be asked for in both."""

    sender: str = "crisis-stream@localhost"
    status: Literal["Actual", "Exercise", "System", "Test", "Draft"] = "Exercise"
    scope: Literal["Public", "Restricted"] = "Restricted"


@dataclass(frozen=True, slots=True)
class _Alert:
    identifier: str
    sent: datetime
    kind: Literal["Alert", "Update", "Cancel"]
    references: str | None
    incident: str | None
    category: str
    severity: str
    certainty: str
    headline: str
    description: str
    web: str | None
    place: Place | IncidentPlace | None
    radius_km: float


def cap_of_incident(item: Shown, options: CapOptions, earlier: Sequence[Said] = ()) -> str:
    """What is shown of an incident as one CAP message; ``earlier`` is what was said before of it and its parts.

    The first is an Alert; later ones are Updates that refer to those before; a closed one is a Cancel (an Alert where
    nothing was said before, since there is nothing to cancel).
    """
    return ET.tostring(cap_element(item, options, earlier), encoding="unicode", xml_declaration=False)


def cap_element(item: Shown, options: CapOptions, earlier: Sequence[Said] = ()) -> ET.Element:
    """The same as an element, to be put into a feed."""
    incident = item.incident
    kind: Literal["Alert", "Update", "Cancel"] = (
        "Alert" if not earlier else "Cancel" if incident.status == "closed" else "Update"
    )
    alert = _Alert(
        identifier=_identifier(item.said),
        sent=item.at,
        kind=kind,
        references=" ".join(_reference(each, options) for each in earlier) or None,
        incident=incident.id,
        category=incident.category,
        severity=incident.severity.capitalize(),
        certainty="Likely" if incident.author_count >= _CERTAIN_AUTHORS else "Possible",
        headline=incident.title,
        description="\n".join(
            [
                (
                    f"{incident.post_count} posts by {incident.author_count} independent authors, {incident.trend}. "
                    "Labelled by a model, not verified."
                ),
                *_checked(item),
                *(post.excerpt for post in incident.posts[:3]),
            ]
        ),
        web=next((post.url for post in incident.posts if post.url), None),
        place=incident.place,
        radius_km=incident.place.radius_km if incident.place else 0.0,
    )
    return _render(alert, options)


def _checked(item: Shown) -> list[str]:
    """What an analyst said of it; still no more than one person's word."""
    words = {"confirmed": "An analyst confirmed it.", "false": "An analyst found it false."}
    return [words[item.work.status]] if item.work.status in words else []


def cap_of_event(event: Event, options: CapOptions, previous: Sequence[Seen] = ()) -> str:
    """One labelled post as a CAP Alert; a single post is never more than Possible.

    An edit of ``previous``, which was shown, is an Update.
    """
    human, damage, place = event.labels.humanitarian, event.labels.damage, event.post.place
    category = human.label or "other_relevant_information"
    near = "in" if place and place.latitude is None else "near"  # a country has no position
    where = f" {near} {place.name}" if place and place.name else ""
    alert = _Alert(
        identifier=f"crisis-stream.{event.id}",
        sent=event.timings.produced_at,
        kind="Update" if previous else "Alert",
        references=_references(previous, options),
        incident=None,
        category=category,
        severity=severity_label(severity_of(human, damage)).capitalize() if damage.label else "Unknown",
        certainty="Possible",
        headline=f"{TITLES.get(category, 'Post')}{where}",
        description=f"One post. Labelled by a model, not verified.\n{event.post.text}",
        web=event.post.url,
        place=place,
        radius_km=_EVENT_RADIUS_KM[place.source] if place else 0.0,
    )
    return ET.tostring(_render(alert, options), encoding="unicode", xml_declaration=False)


def cap_of_withdrawal(event: Event, options: CapOptions, previous: Sequence[Seen]) -> str:
    """Cancels the messages of ``previous``; it says nothing of what their post said."""
    why = event.withdrawn.reason if event.withdrawn else "edited"
    alert = _Alert(
        identifier=f"crisis-stream.{event.id}.withdrawn",
        sent=event.timings.produced_at,
        kind="Cancel",
        references=_references(previous, options),
        incident=None,
        category="other_relevant_information",
        severity="Unknown",
        certainty="Unknown",
        headline=f"Withdrawn: {why}",
        description="The post that this was made of may not be shown any more.",
        web=None,
        place=None,
        radius_km=0.0,
    )
    return ET.tostring(_render(alert, options), encoding="unicode", xml_declaration=False)


def _references(previous: Sequence[Seen], options: CapOptions) -> str | None:
    sender = _NOT_IN_NAMES.sub("_", options.sender)
    return " ".join(f"{sender},crisis-stream.{each.id},{_time(each.at)}" for each in previous) or None


def _render(alert: _Alert, options: CapOptions) -> ET.Element:
    root = ET.Element("alert", xmlns=NAMESPACE)
    _put(root, "identifier", _NOT_IN_NAMES.sub("_", alert.identifier))
    _put(root, "sender", _NOT_IN_NAMES.sub("_", options.sender))
    _put(root, "sent", _time(alert.sent))
    _put(root, "status", options.status)
    _put(root, "msgType", alert.kind)
    _put(root, "source", "crisis-stream: social-media posts labelled by a model, not verified")
    _put(root, "scope", options.scope)
    if options.scope == "Restricted":
        _put(root, "restriction", "For analysts who verify before they act")
    _put(root, "references", alert.references)
    _put(root, "incidents", alert.incident)
    info = ET.SubElement(root, "info")
    _put(info, "language", "en")
    _put(info, "category", _CATEGORY.get(alert.category, "Other"))
    _put(info, "event", TITLES.get(alert.category, alert.category.replace("_", " ")))
    _put(info, "urgency", "Past" if alert.kind == "Cancel" else "Unknown")
    _put(info, "severity", alert.severity)
    _put(info, "certainty", alert.certainty)
    _put(info, "expires", _time(moved(alert.sent, _EXPIRES)))
    _put(info, "senderName", "crisis-stream")
    _put(info, "headline", alert.headline)
    _put(info, "description", alert.description)
    _put(info, "web", alert.web)
    _area(info, alert)
    return root


def _area(info: ET.Element, alert: _Alert) -> None:
    place = alert.place
    if place is None:
        return
    area = ET.SubElement(info, "area")
    names = [part for part in (place.name, place.country_code) if part]
    _put(area, "areaDesc", f"{', '.join(names) or 'Unnamed place'} (from {place.source})")
    if place.latitude is not None and place.longitude is not None:
        _put(area, "circle", f"{place.latitude:.5f},{place.longitude:.5f} {alert.radius_km:.1f}")


def _put(parent: ET.Element, name: str, text: str | None) -> None:
    if text:
        ET.SubElement(parent, name).text = xml_text(text)


def _time(moment: datetime) -> str:
    """CAP wants an offset and refuses Z: 2026-03-14T09:00:00-00:00."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")


def _identifier(said: Said) -> str:
    return _NOT_IN_NAMES.sub("_", f"crisis-stream.{said.incident}.{said.revision}")


def _reference(said: Said, options: CapOptions) -> str:
    return f"{_NOT_IN_NAMES.sub('_', options.sender)},{_identifier(said)},{_time(said.at)}"
