"""What the demo counts while it reads, and the summary it prints at the end."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from rich.table import Table
from rich.text import Text

from stream_app.kafka.subscribe import Received
from stream_app.pipeline.events.dead_letter import PREFIX
from stream_app.pipeline.events.event import WITHDRAWN_TYPE, Event
from stream_app.proving.demo.story import chapter_at
from stream_app.render.printable import cell
from stream_app.render.table import HEADER, line
from stream_app.settings import TopicSettings

_SHOWN = 14


@dataclass
class Tally:
    """Counts of everything that came out of the stream."""

    topics: TopicSettings
    sent: int = 0
    control: int = 0
    events: dict[str, Event] = field(default_factory=dict)
    alerts: Counter[str] = field(default_factory=Counter)
    letters: Counter[str] = field(default_factory=Counter)
    incidents: set[str] = field(default_factory=set)
    latest: list[Event] = field(default_factory=list)
    began: float = 0.0
    ended: float = field(default_factory=time.monotonic)
    """When the first and the last event or dead letter were read, on the monotonic clock."""

    def add(self, record: Received) -> None:
        """Count one record of any output topic."""
        topics = self.topics
        if record.headers.get("ce_type") == WITHDRAWN_TYPE:
            return
        if record.topic in {topics.events, topics.dead_letters}:
            self.ended = time.monotonic()
            self.began = self.began or self.ended
        if record.topic == topics.events:
            event = Event.model_validate_json(record.value)
            self.events[event.id] = event
            self.latest = [*self.latest, event][-_SHOWN:]
        elif record.topic == topics.dead_letters:
            self.letters[record.headers.get(PREFIX + "error", "?")] += 1
        elif record.topic == topics.incidents:
            self.incidents.add(record.key or "")
        else:
            self.alerts[record.topic.rpartition(".")[2]] += 1

    @property
    def through(self) -> bool:
        """Every line has become an event or a dead letter, or is a control line."""
        return self.sent > 0 and len(self.events) + self.letters.total() + self.control >= self.sent

    def live(self, address: str | None) -> Table:
        """The newest labels and the counts so far."""
        table = Table.grid()
        table.add_row(Text(f"crisis-stream demo   {address or ''}", style="bold"))
        table.add_row(Text(self._counts(), style="cyan"))
        if self.latest and address:
            chapter = chapter_at(max(event.post.created_at for event in self.latest))
            table.add_row(Text(f"{chapter.name}: {chapter.look}", style="bold yellow"))
        table.add_row(Text(HEADER, style="underline"))
        for event in reversed(self.latest):
            table.add_row(line(event))
        return table

    def summary(self, seconds: float) -> Table:
        """Everything counted, one fact a row."""
        events = self.events.values()
        table = Table(title="The history is through", show_header=False, title_justify="left")
        rows: list[tuple[str, object]] = [
            ("lines sent", self.sent),
            ("labelled events", len(events)),
            ("of these reposts and copies", sum(event.duplicate_of is not None for event in events)),
            ("degraded (a photo could not be used)", sum(event.degraded for event in events)),
            ("for review (text and photo disagree, or no label is sure)", sum(event.review for event in events)),
            *((f"labelled {label}", count) for label, count in self._categories().most_common()),
            *((f"photos {status}", count) for status, count in self._photos().most_common()),
            ("control lines skipped", self.control),
            ("dead letters", self.letters.total()),
            *((f"  {reason}", count) for reason, count in self.letters.most_common()),
            *((f"alerts: {task}", count) for task, count in sorted(self.alerts.items())),
            ("incidents", len(self.incidents)),
            ("seconds from start to last event, the worker's start included", f"{seconds:.1f}"),
            ("events a second from the first on; so few say little, see `bench`", f"{self._rate():.0f}"),
        ]
        for name, value in rows:
            table.add_row(cell(name), cell(str(value)))
        return table

    def _photos(self) -> Counter[str]:
        """Outcomes of photos, those of reposts and copies counted once."""
        firsts = (event for event in self.events.values() if event.duplicate_of is None)
        outcomes = (photo for event in firsts for photo in event.media)
        return Counter(f"{photo.status}: {photo.reason}" if photo.reason else photo.status for photo in outcomes)

    def _categories(self) -> Counter[str]:
        return Counter(event.labels.humanitarian.label or "none" for event in self.events.values())

    def _rate(self) -> float:
        return len(self.events) / max(self.ended - self.began, 1e-9)

    def _counts(self) -> str:
        copies = sum(event.duplicate_of is not None for event in self.events.values())
        return (
            f"{len(self.events):,} events of {self.sent:,} lines, {copies:,} reposts and copies, "
            f"{self.letters.total()} dead letters, {self.alerts.total()} alerts, {len(self.incidents)} incidents"
        )
