"""What to tell whom: the rules of crisis-stream.toml against alerts and incidents. Pure; time comes from outside."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from stream_app.decisions.board import Work
from stream_app.decisions.shown import Shown, members
from stream_app.incidents.incident import Incident
from stream_app.notify.notice import RANKS, Kind, Notice
from stream_app.notify.text import alert_lines, alert_title, incident_lines, incident_title
from stream_app.pipeline.events.event import Event
from stream_app.render.filter import Where, parse_place
from stream_app.settings import NotifyRule, NotifySettings

_COUNTED = 1_000
_LISTED = 10


@dataclass(slots=True)
class Told:
    """What a rule last told of an incident."""

    severity: str
    status: str


@dataclass(slots=True)
class _Rule:
    settings: NotifyRule
    place: Where | None
    recent: deque[tuple[datetime, Event]] = field(default_factory=lambda: deque(maxlen=_COUNTED))
    told: dict[str, Told] = field(default_factory=dict)


class Rules:
    """The rules at work; :meth:`recall` takes what they told before from the outbox. ``link`` is the dashboard."""

    def __init__(self, settings: NotifySettings, link: str | None = None) -> None:
        self._link = link
        self._rules = [_Rule(rule, parse_place(rule.place) if rule.place else None) for rule in settings.rule]

    @property
    def window(self) -> timedelta:
        """How far back alerts must be read to count them right."""
        minutes = [each.settings.within_minutes for each in self._rules if each.settings.count > 1]
        return timedelta(minutes=max(minutes, default=0.0))

    def recall(self, notice: Notice) -> None:
        """Take in what was told before; in the order of the outbox."""
        for rule in self._rules:
            if rule.settings.name == notice.rule and notice.kind in ("incident", "over"):
                rule.told[notice.subject] = Told(notice.severity, notice.status)

    def warm(self, event: Event, task: str, at: datetime) -> None:
        """Count an alert that was dealt with before this process began."""
        for rule in self._asked_of(task):
            if rule.settings.count > 1 and _event_passes(rule, event, task):
                rule.recent.append((at, event))
                if _full(rule, at):
                    rule.recent.clear()

    def alert(self, event: Event, task: str, at: datetime, now: datetime) -> Iterator[Notice]:
        """What to tell of an alert that stands at ``at`` in Kafka."""
        for rule in self._asked_of(task):
            if not _event_passes(rule, event, task):
                continue
            told = [event]
            if rule.settings.count > 1:
                rule.recent.append((at, event))
                if not _full(rule, at):
                    continue
                told = [each for _, each in rule.recent]
                rule.recent.clear()
            yield from self._of_events(rule, told, at, now)

    def incident(self, item: Shown, at: datetime, now: datetime) -> Iterator[Notice]:
        """What to tell of an incident that is shown anew or otherwise."""
        incident, work = item.incident, item.work
        for rule in self._rules:
            if rule.settings.on != "incidents":
                continue
            before = rule.told.get(incident.id)
            kind = _worth_telling(rule, item, before, now)
            if kind is None:
                continue
            rule.told[incident.id] = Told(incident.severity, _status(incident, work))
            for channel in rule.settings.channels:
                yield Notice(
                    key=f"{channel}/{incident.id}/{item.revision}",
                    channel=channel,
                    rule=rule.settings.name,
                    kind=kind,
                    subject=incident.id,
                    at=at,
                    due=due(rule.settings, now, severe=incident.severity == "severe"),
                    digest=rule.settings.digest_minutes is not None,
                    **self.words(item, kind),
                )

    def words(self, item: Shown, kind: Kind) -> dict[str, Any]:
        """What a notice says of an incident as it is now."""
        return {
            "severity": item.incident.severity,
            "status": _status(item.incident, item.work),
            "title": incident_title(item, over=kind == "over"),
            "lines": tuple(incident_lines(item, self._link)),
            "data": item.model_dump(mode="json", exclude={"log"}),
        }

    def _asked_of(self, task: str) -> Iterator[_Rule]:
        for rule in self._rules:
            if rule.settings.on == "alerts" and rule.settings.task in (None, task):
                yield rule

    def _of_events(self, rule: _Rule, told: list[Event], at: datetime, now: datetime) -> Iterator[Notice]:
        last, counted = told[-1], rule.settings.count > 1
        subject = last.id if not counted else f"{rule.settings.name}:{last.id}"
        for channel in rule.settings.channels:
            yield Notice(
                key=f"{channel}/{subject}/1",
                channel=channel,
                rule=rule.settings.name,
                kind="count" if counted else "alert",
                subject=subject,
                title=alert_title(told, rule.settings),
                lines=tuple(line for event in told[-_LISTED:] for line in alert_lines(event)),
                data={"events": [event.model_dump(mode="json", exclude={"timings"}) for event in told[-_LISTED:]]},
                at=at,
                due=due(rule.settings, now),
                digest=rule.settings.digest_minutes is not None,
            )


def _status(incident: Incident, work: Work) -> str:
    return "closed" if incident.status == "closed" and not work.over else work.status


def _worth_telling(rule: _Rule, item: Shown, before: Told | None, now: datetime) -> Kind | None:
    """Whether, and as what, a rule tells of what it now sees."""
    incident, work, asked = item.incident, item.work, rule.settings
    status = _status(incident, work)
    if work.muted and (work.muted_until is None or now < work.muted_until):
        return None
    if incident.status == "closed":
        return "over" if before and asked.updates != "none" and before.status not in ("false", "closed") else None
    if not _incident_passes(rule, incident):
        return None
    if before is None or asked.updates == "all":
        return "incident"
    graver = RANKS.index(incident.severity) > RANKS.index(before.severity)
    return "incident" if asked.updates == "graver" and (graver or status != before.status) else None


def _incident_passes(rule: _Rule, incident: Incident) -> bool:
    asked = rule.settings
    if asked.labels and incident.category not in asked.labels:
        return False
    if RANKS.index(incident.severity) < RANKS.index(asked.severity) or incident.severity_score < asked.min_probability:
        return False
    if incident.author_count < asked.authors:
        return False
    return rule.place is None or (incident.place is not None and rule.place(incident.place))


def _event_passes(rule: _Rule, event: Event, task: str) -> bool:
    asked, label = rule.settings, getattr(event.labels, task)
    if event.withdrawn is not None or event.duplicate_of is not None or label.label is None:
        return False
    if asked.labels and label.label not in asked.labels:
        return False
    if (label.probability or 0.0) < asked.min_probability:
        return False
    if asked.languages and event.post.language not in asked.languages:
        return False
    return rule.place is None or (event.post.place is not None and rule.place(event.post.place))


def _full(rule: _Rule, at: datetime) -> bool:
    oldest = at - timedelta(minutes=rule.settings.within_minutes)
    while rule.recent and rule.recent[0][0] < oldest:
        rule.recent.popleft()
    return len(rule.recent) >= rule.settings.count


def due(rule: NotifyRule, now: datetime, *, severe: bool = False) -> datetime:
    """When what is found at ``now`` may go out: at the next full digest, and not in quiet hours."""
    moment = now
    if rule.digest_minutes is not None:
        step = rule.digest_minutes * 60
        moment = datetime.fromtimestamp((now.timestamp() // step + 1) * step, now.tzinfo)
    if rule.quiet is None or (severe and rule.quiet_lets_severe):
        return moment
    begins, ends = ((int(part[:2]), int(part[3:])) for part in rule.quiet.split("-"))
    local = moment.astimezone(ZoneInfo(rule.timezone))
    clock = (local.hour, local.minute)
    quiet = begins <= clock < ends if begins <= ends else clock >= begins or clock < ends
    if not quiet:
        return moment
    end = local.replace(hour=ends[0], minute=ends[1], second=0, microsecond=0)
    if end <= local:
        end += timedelta(days=1)
    return end.astimezone(now.tzinfo)


def silenced(items: Iterable[Shown], now: datetime) -> Callable[[Notice], bool]:
    """A predicate on queued notices: those whose incident, or that of their posts, is muted, false or closed by now."""
    quiet: set[str] = set()
    posts: set[str] = set()
    muted: set[str] = set()
    for item in items:
        if item.work.silent(now):
            quiet.add(item.incident.id)
            posts.update(members(item.incident))
            if not item.work.over:
                muted.add(item.incident.id)

    def silent(notice: Notice) -> bool:
        if notice.kind == "over":
            return notice.subject in muted
        if notice.kind == "incident":
            return notice.subject in quiet
        roots = [f"{event['post']['network']}:{event['post']['root_id']}" for event in notice.data["events"]]
        return bool(roots) and posts.issuperset(roots)

    return silent
