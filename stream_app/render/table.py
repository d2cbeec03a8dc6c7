"""Events and incidents as lines of a table that scrolls; readable at 100 columns."""

from __future__ import annotations

from datetime import datetime

from rich.text import Text

from model.scorer import Concept
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.pipeline.events.event import Event, Label
from stream_app.render.printable import one_line

WIDTHS = (8, 34, 15, 5)
HEADER = f"{'time':8}  {'label':34}  {'place':15}  {'sure':5}  text"
_KINDS = {"official": "[official] ", "media": "[media] ", "aid_group": "[aid group] ", "eyewitness": "[eyewitness] "}
_STYLES = {"severe": "bold red", "moderate": "yellow", "minor": "green"}


def line(item: Event | Incident | Emerging, concept: Concept = "humanitarian") -> Text:
    """One line of columns time, label, place, probability (severity score for an incident) and text.

    The probability is that of ``concept``'s label, which stands first.
    """
    if isinstance(item, Emerging):
        return _emerging(item)
    return _incident(item) if isinstance(item, Incident) else _event(item, concept)


def withdrawal(event: Event, shown: datetime) -> Text:
    """A line for an event that was shown and may not be any more; ``event`` takes it back, or is of its edit."""
    taken, post = event.withdrawn, event.post
    why = "edited" if taken is None else taken.reason
    text = f"✗ {post.network} {post.id}: what was labelled at {shown:%H:%M:%S}"
    return _columns(event.timings.produced_at, f"withdrawn: {why}", None, None, text, style="dim")


def _event(event: Event, concept: Concept) -> Text:
    asked, human, damage = getattr(event.labels, concept), event.labels.humanitarian, event.labels.damage
    informative = event.labels.informativeness.label == "informative"
    others = [each for each in (human, damage) if each is not asked and each.label]
    label = ", ".join(_short(each) for each in (asked, *others))
    place = event.post.place.name if event.post.place else None
    kind = _KINDS.get(event.post.author_kind or "", "")
    told = (("✎ ", event.supersedes is not None), ("⚠ ", event.review), ("◐ ", event.degraded))
    marks = "".join(mark for mark, on in told if on)
    style = "bold red" if damage.label == "severe_damage" else "" if informative else "dim"
    return _columns(event.post.created_at, label, place, asked.probability, marks + kind + event.post.text, style=style)


def _incident(incident: Incident) -> Text:
    label = f"{incident.severity} {incident.trend} {incident.post_count}p/{incident.author_count}a {incident.status}"
    place = incident.place.name if incident.place else None
    style = _STYLES.get(incident.severity, "")
    return _columns(incident.last_seen, label, place, incident.severity_score, incident.title, style=style)


def _emerging(each: Emerging) -> Text:
    label = f"{each.kind} {each.status} {each.posts}p/{each.authors}a, {each.expected:g} expected"
    seen = f"seen before, {each.first_seen.at:%Y-%m-%d}: " if each.first_seen else ""
    return _columns(
        each.at, label, each.term, None, seen + " ".join(each.examples), style="yellow" if each.first_seen else ""
    )


def _columns(at: datetime, label: str, place: str | None, sure: float | None, text: str, *, style: str) -> Text:
    probability = "" if sure is None else f"{sure:.2f}"
    cells = (f"{at:%H:%M:%S}", label, place or "-", probability)
    row = Text(no_wrap=True, overflow="ellipsis")
    for cell, width in zip(cells, WIDTHS, strict=True):
        column = Text(one_line(cell), style=style)
        column.truncate(width, overflow="ellipsis", pad=True)
        row.append_text(column).append("  ")
    return row.append(one_line(text))


def _short(label: Label) -> str:
    return (label.label or "-").replace("infrastructure_and_utility", "infra").replace("_", " ").removesuffix(" effort")
