"""What the dashboard remembers: the latest posts, the incidents, the counts. Bounded, and no I/O."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stream_app.decisions.act import Decision
from stream_app.decisions.board import Board, Entry
from stream_app.decisions.showcase import Showcase
from stream_app.decisions.shown import Said, Shown
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.pipeline.events.barred import Barred
from stream_app.pipeline.events.event import Event, EventMedia
from stream_app.pipeline.events.route import alarms_of
from stream_app.settings import AlertSettings, DashboardSettings

RATE_SECONDS = 60
_DEAD_LETTERS_SHOWN = 20
_EMERGING_SHOWN = 5
_LOG_SHOWN = 100
_WITHDRAWN = 20_000
"""Withdrawals remembered; an author's may come before a post that was labelled earlier."""
_VERDICTS = 5_000
"""Verdicts remembered; they may come before the event they judge, since topics are read side by side."""


def card_id(network: str, root_id: str) -> str:
    """Name of a root post's card in addresses and pages: 16 hex digits, the first of SHA-256 of network and id."""
    return hashlib.sha256(f"{network}\0{root_id}".encode()).hexdigest()[:16]


def _claimed(incident: Incident | None) -> set[str]:
    """Cards of the posts that an open incident holds; one that names no members has its supporting posts."""
    if incident is None or incident.status != "open":
        return set()
    names = incident.members or tuple(f"{post.network}:{post.id}" for post in incident.posts)
    return {card_id(network, root) for network, _, root in (name.partition(":") for name in names)}


def _line(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    return {"undone": entry.undone, **decision.model_dump(mode="json", exclude={"incident"})}


def incident_view(item: Shown) -> dict[str, Any]:
    """An incident as browsers get it: as it is shown, and under ``work`` what people made of it."""
    work = item.work.model_dump(mode="json")
    log = [_line(entry) for entry in item.log[-_LOG_SHOWN:]]
    return {**item.incident.model_dump(mode="json"), "work": {**work, "parts": item.parts, "log": log}}


@dataclass(slots=True)
class Card:
    """One root post on show, with its reposts and duplicates folded in as a count."""

    id: str
    event: Event
    label: str
    seen_at: datetime
    duplicates: int = 0
    verdict: Verdict | None = None
    alerts: tuple[str, ...] = ()

    def view(self) -> dict[str, Any]:
        """The card as browsers get it: the public event beside the card's own facts."""
        return {
            "id": self.id,
            "seen_at": self.seen_at.isoformat(),
            "duplicates": self.duplicates,
            "alerts": self.alerts,
            "event": self.event.model_dump(mode="json", exclude={"timings"}),
            "verdict": self.verdict and self.verdict.model_dump(mode="json", exclude={"event"}),
        }


@dataclass(slots=True)
class Changes:
    """What has changed since browsers were last told: views of cards and incidents, ids of cards let go."""

    cards: list[dict[str, Any]]
    gone: list[str]
    incidents: list[dict[str, Any]]

    def __bool__(self) -> bool:
        """Whether there is anything to tell."""
        return bool(self.cards or self.gone or self.incidents)


@dataclass(slots=True)
class Rate:
    """Posts per second over the last minute, by the time Kafka gave each record."""

    seconds: dict[int, int] = field(default_factory=dict)

    def add(self, at: datetime) -> None:
        """Count one record; those older than a minute are let go."""
        second = int(at.timestamp())
        self.seconds[second] = self.seconds.get(second, 0) + 1
        if len(self.seconds) > 2 * RATE_SECONDS:
            newest = max(self.seconds)
            self.seconds = {s: n for s, n in self.seconds.items() if s > newest - RATE_SECONDS}

    def last_minute(self, now: datetime) -> list[int]:
        """Counts of the last 60 whole seconds before ``now``, oldest first."""
        end = int(now.timestamp())
        return [self.seconds.get(second, 0) for second in range(end - RATE_SECONDS, end)]


class DashboardState:
    """The newest posts per humanitarian label, the newest incidents, and counts since the start.

    Posts are kept per label so that a flood of irrelevant posts never pushes the rare urgent one out, and those of
    open incidents stay when their label lets them go.
    """

    def __init__(self, settings: DashboardSettings, alerts: AlertSettings | None = None) -> None:
        self._settings = settings
        self._alerts = alerts or AlertSettings()
        self._cards: dict[str, Card] = {}
        self._rings: defaultdict[str, deque[str]] = defaultdict(deque)
        self._claims: Counter[str] = Counter()  # card -> open incidents that hold it
        self._held: OrderedDict[str, None] = OrderedDict()  # cards that stay for these alone
        self._card_of: dict[str, str] = {}
        self._verdicts: OrderedDict[str, Verdict] = OrderedDict()
        self._showcase = Showcase(settings.incidents)
        self._changed_cards: dict[str, None] = {}
        self._gone: list[str] = []
        self._barred = Barred(_WITHDRAWN)
        self._rate = Rate()
        self._dead_letters: deque[dict[str, Any]] = deque(maxlen=_DEAD_LETTERS_SHOWN)
        self.counts: Counter[str] = Counter()
        self.labels: dict[str, Counter[str]] = defaultdict(Counter)
        self._emerging: dict[str, Emerging] = {}
        self.lag: dict[str, Any] | None = None
        self.problems: dict[str, str] = {}
        self.forget_photos: Callable[[Iterable[str]], object] = list
        """Told the addresses of photos that may not be shown any more."""
        self.withdrawn_too: Callable[[Event], Iterable[str]] = lambda _event: ()
        """Told of withdrawals; gives cards that went elsewhere for it."""

    def beginning(self) -> DashboardState:
        """An empty state with the same settings that knows what was judged and what may not be shown."""
        state = DashboardState(self._settings, self._alerts)
        state._barred, state._verdicts = self._barred, self._verdicts
        return state

    def add_event(self, event: Event, at: datetime) -> None:
        """Show an event read from Kafka at ``at``; a repost or duplicate only raises its root's count.

        The event of an edit takes the place of the version before, under its own label.
        """
        self._count(event, at)
        self._barred.take(event)
        if self._barred.bars_event(event):
            return
        duplicates = self._drop(card_id(event.post.network, event.post.id)) if event.supersedes else 0
        root = event.duplicate_of or event.post.root_id
        key = card_id(event.post.network, root)
        card = self._cards.get(key)
        if card is None:
            label = event.labels.humanitarian.label or "none"
            card = self._cards[key] = Card(key, event, label, at, duplicates, alerts=self._raised(event))
            self._name(card)
            self._keep(card)
        elif event.duplicate_of is None:
            self._unname(card)
            card.event, card.alerts = event, self._raised(event)
            self._name(card)
        if event.duplicate_of is not None or event.post.id != root:
            card.duplicates += 1
        card.duplicates = max(card.duplicates, event.duplicates_seen)
        self._changed_cards[key] = None

    def withdraw(self, event: Event) -> None:
        """Take from show what a withdrawal takes back: a post with its reposts, a repost, or all of an author's."""
        taken, post = event.withdrawn, event.post
        assert taken is not None
        self._barred.take(event)
        self._gone.extend(self.withdrawn_too(event))
        if not taken.place_only:
            self._without(event)
        for card in list(self._cards.values()) if taken.whole_author else self._shown(event):
            shown = card.event.post
            if taken.whole_author and (shown.network, shown.author_key) != (post.network, post.author_key):
                continue
            if taken.place_only:
                card.event = card.event.model_copy(update={"post": shown.model_copy(update={"place": None})})
                self._changed_cards[card.id] = None
            elif taken.edited_to is None or card.event.id in taken.events:
                self._drop(card.id)

    def _without(self, event: Event) -> None:
        """Take from incidents the posts that a withdrawal takes; their counts come with their next version."""
        taken, network = event.withdrawn, event.post.network
        assert taken is not None
        events, names = set(taken.events), set()
        if taken.whole_author:
            mine = (card.event for card in self._cards.values())
            names = {each.post.root_id for each in mine if each.post.author_key == event.post.author_key}
        elif taken.edited_to is None:
            names = {event.post.id}
        for incident in self._showcase.incidents:
            left = tuple(
                post
                for post in incident.posts
                if post.event_id not in events and not (post.network == network and post.id in names)
            )
            if len(left) < len(incident.posts):
                self._showcase.amend(incident.model_copy(update={"posts": left}))

    def _shown(self, event: Event) -> list[Card]:
        """The card of a withdrawn post, whether it is the root's or shows this repost."""
        network, names = event.post.network, (event.post.id, event.post.root_id)
        found = [
            self._cards[key] for key in dict.fromkeys(card_id(network, name) for name in names) if key in self._cards
        ]
        return [card for card in found if event.post.id in (card.event.post.id, card.event.post.root_id)]

    def _drop(self, key: str) -> int:
        """Let a card go, and its thumbnails; how many copies it stood for."""
        card = self._cards.pop(key, None)
        if card is None:
            return 0
        self._unname(card)
        if key in self._rings[card.label]:
            self._rings[card.label].remove(key)
        self._held.pop(key, None)
        self._changed_cards.pop(key, None)
        self._gone.append(key)
        self.forget_photos(media.url for media in card.event.media)
        return card.duplicates

    def _raised(self, event: Event) -> tuple[str, ...]:
        return tuple(alarms_of(event.labels, self._alerts))

    def _count(self, event: Event, at: datetime) -> None:
        self._rate.add(at)
        self.counts["posts"] += 1
        self.counts["duplicates"] += event.duplicate_of is not None
        self.counts["review"] += event.review
        self.counts["degraded"] += event.degraded
        for concept, label in event.labels:
            self.labels[concept][label.label or "none"] += 1

    def _name(self, card: Card) -> None:
        self._card_of[card.event.id] = card.id
        card.verdict = self._verdicts.get(card.event.id)

    def _unname(self, card: Card) -> None:
        if self._card_of.get(card.event.id) == card.id:  # a post that changed its root has had two cards
            del self._card_of[card.event.id]

    def add_verdict(self, verdict: Verdict) -> None:
        """Show what an analyst last said of an event on its card, also if the event comes later."""
        self._verdicts[verdict.event] = verdict
        self._verdicts.move_to_end(verdict.event)
        if len(self._verdicts) > _VERDICTS:
            self._verdicts.popitem(last=False)
        key = self._card_of.get(verdict.event)
        if key is not None:
            self._cards[key].verdict = verdict
            self._changed_cards[key] = None

    def _keep(self, card: Card) -> None:
        ring = self._rings[card.label]
        ring.append(card.id)
        if len(ring) > self._settings.posts_per_label:
            self._hold(ring.popleft())

    def _hold(self, key: str) -> None:
        """Keep a card that its label lets go while an open incident holds it; beyond the limit the first held goes."""
        if self._claims[key] <= 0:
            self._let_go(key)
            return
        self._held[key] = None
        if len(self._held) > self._settings.incident_posts:
            self._let_go(self._held.popitem(last=False)[0])

    def _let_go(self, key: str) -> None:
        self._unname(self._cards.pop(key))
        self._changed_cards.pop(key, None)
        self._gone.append(key)

    def _claim(self, before: Incident | None, after: Incident | None) -> None:
        """Move an incident's claims from the posts of one version to those of the next."""
        self._claims.update(_claimed(after))
        for key in _claimed(before):
            self._claims[key] -= 1
            if self._claims[key] <= 0:
                del self._claims[key]
                if key in self._held:
                    del self._held[key]
                    self._let_go(key)

    def put_incident(self, incident: Incident) -> None:
        """Show an incident's newest version; the one longest without news goes when there are too many.

        One that has lost all its posts goes.
        """
        if not incident.post_count:
            self.drop_incident(incident.id)
            return
        self._claim(self._showcase.get(incident.id), incident)
        for gone in self._showcase.put(incident):
            self._claim(gone, None)

    def drop_incident(self, incident_id: str) -> None:
        """Forget an incident: it ended (a tombstone in the compacted topic)."""
        gone = self._showcase.drop(incident_id)
        if gone is not None:
            self._claim(gone, None)

    def add_decision(self, decision: Decision) -> None:
        """Show what somebody did with an incident, also if the incident comes later."""
        self._showcase.act(decision)

    def incidents(self) -> dict[str, Shown]:
        """Incidents by id as people see them: merged ones under the one they were merged into."""
        return self._showcase.items

    def earlier(self, item: Shown) -> list[Said]:
        """What was said before of an incident on show."""
        return self._showcase.earlier(item)

    def board(self) -> Board:
        """What all acts add up to."""
        return self._showcase.board

    def add_dead_letter(self, stage: str, error: str, at: datetime) -> None:
        """Count a post that could not be processed and keep the latest reasons."""
        self.counts["dead_letters"] += 1
        self._dead_letters.append({"at": at.isoformat(), "stage": stage, "error": error})

    def put_emerging(self, name: str, emerging: Emerging | None) -> None:
        """Show what is emerging under this id, or no more: None and ``over`` end it."""
        self._emerging.pop(name, None)
        if emerging is not None and emerging.status == "rising":
            self._emerging[name] = emerging

    def knows(self, event: str) -> bool:
        """Whether the event with this id is on show."""
        return event in self._card_of

    def event(self, card: str) -> Event | None:
        """The event of a card that is on show."""
        shown = self._cards.get(card)
        return None if shown is None else shown.event

    def image(self, card: str, index: int) -> EventMedia | None:
        """The ``index``-th image of a card that is on show, if the worker could use that image."""
        shown = self._cards.get(card)
        if shown is None or not 0 <= index < len(shown.event.media):
            return None
        media = shown.event.media[index]
        return media if media.status == "used" else None

    def take_changes(self) -> Changes:
        """The changes since the last call, each card and incident once however often it changed."""
        changed, gone = self._showcase.changes()
        changes = Changes(
            cards=[self._cards[key].view() for key in self._changed_cards],
            gone=self._gone + gone,
            incidents=[incident_view(item) for item in changed],
        )
        self._changed_cards, self._gone = {}, []
        return changes

    def stats(self, now: datetime | None = None) -> dict[str, Any]:
        """Counts, rate, dead letters and consumer lag, as browsers get them every second."""
        return {
            "counts": dict(self.counts),
            "labels": {concept: dict(counts) for concept, counts in self.labels.items()},
            "per_second": self._rate.last_minute(now or datetime.now(UTC)),
            "dead_letters": list(self._dead_letters),
            "emerging": self._emerging_view(),
            "lag": self.lag,
            "problems": list(dict.fromkeys(self.problems.values())),
        }

    def _emerging_view(self) -> list[dict[str, Any]]:
        """The strongest few, an old picture first."""
        ranked = sorted(self._emerging.values(), key=lambda each: (each.first_seen is None, -each.score, each.id))
        return [each.model_dump(mode="json") for each in ranked[:_EMERGING_SHOWN]]

    def snapshot(self) -> dict[str, Any]:
        """Everything on show, for a browser that has just come."""
        return {
            "cards": [card.view() for card in sorted(self._cards.values(), key=lambda card: card.seen_at)],
            "incidents": [incident_view(item) for item in self.incidents().values()],
            "stats": self.stats(),
        }
