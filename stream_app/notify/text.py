"""What a notice says, for chats and mail. Strangers' words are in it, so they pass :func:`harmless` first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from urllib.parse import quote

from stream_app.decisions.shown import Shown
from stream_app.incidents.summary import TITLES
from stream_app.pipeline.events.event import Event
from stream_app.render.printable import one_line
from stream_app.settings import NotifyRule

_EXCERPT = 240
_BREAK = "\u200b"
_BREAKS = re.compile(r"(?<=[@#!\]])(?=[\w(\[<])|(?<=:)(?=//)|(?<=<)(?=[\w!@#/])|(?<=www)(?=\.)", re.IGNORECASE)
"""Where chats find mentions, links and pictures: ``@all``, ``<!here>``, ``![](``, ``](``, ``https://``, ``www.``."""


def harmless(text: str, length: int = _EXCERPT) -> str:
    """A stranger's text as a line that calls nobody, links nowhere and loads nothing, in whatever chat it is shown.

    An invisible break goes where chats would find a mention, a link or a picture; markup that only paints is left to
    the channel, which is told that it is plain text.
    """
    line = one_line(text)
    if len(line) > length:
        line = line[: length - 1].rstrip() + "…"
    return _BREAKS.sub(_BREAK, line)


def incident_title(item: Shown, *, over: bool) -> str:
    """Its severity, what and where; for one that is over, who says so."""
    incident = item.incident
    title = harmless(incident.title)
    if not over:
        return f"{incident.severity.capitalize() if incident.severity != 'unknown' else 'Incident'}: {title}"
    by = next((e.decision.by for e in reversed(item.log) if e.decision.act.kind == "status" and not e.undone), None)
    ended = "False alarm" if item.work.status == "false" else "Closed"
    return f"{ended}: {title}" + (f" ({harmless(by, 80)})" if by and item.work.over else "")


def incident_lines(item: Shown, link: str | None) -> Iterator[str]:
    """What is known of it, its strongest posts, and where to see it."""
    incident, work = item.incident, item.work
    place = incident.place
    yield (
        f"{incident.post_count} posts by {incident.author_count} independent authors, {incident.trend}. "
        "Labelled by a model, not verified."
    )
    if place is not None:
        name = harmless(", ".join(filter(None, (place.name, place.country_code)))) or "Unnamed place"
        yield f"{name}: {place.latitude:.4f}, {place.longitude:.4f}, within {place.radius_km:g} km"
    if work.owner or work.status != "new":
        yield f"{work.status}" + (f", {harmless(work.owner, 80)} has it" if work.owner else "")
    for post in incident.posts[:3]:
        yield f"“{harmless(post.excerpt)}”"
    if link:
        yield f"{link.rstrip('/')}/?incident={quote(incident.id, safe='')}"


def alert_title(events: Sequence[Event], rule: NotifyRule) -> str:
    """One alert by its label and place; several by their number."""
    if len(events) > 1:
        return f"{len(events)} alerts within {rule.within_minutes:g} minutes ({harmless(rule.name, 80)})"
    human = events[0].labels.humanitarian.label or ""
    place = events[0].post.place
    where = f" near {harmless(place.name, 80)}" if place and place.name else ""
    return f"{TITLES.get(human, 'Alert')}{where}"


def alert_lines(event: Event) -> Iterator[str]:
    """Its labels with their probabilities, and the text."""
    labels = [
        f"{label.label.replace('_', ' ')} {label.probability:.0%}"
        for _, label in event.labels
        if label.label and label.probability is not None
    ]
    yield f"{event.post.created_at:%Y-%m-%d %H:%M} UTC, {', '.join(labels)}"
    yield f"“{harmless(event.post.text)}”"
