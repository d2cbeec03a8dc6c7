"""``crisis-stream watch``: follows events, alerts or incidents."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import click
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from pydantic import ValidationError
from rich.console import Console
from rich.text import Text

from model.scorer import CONCEPTS, LABELS, Concept
from stream_app.cli.options import bootstrap_option, parsed_by, prefix_option, since_option, with_options
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import reason
from stream_app.kafka.subscribe import EPOCH, Received, subscribe
from stream_app.pipeline.events.barred import Barred
from stream_app.pipeline.events.event import WITHDRAWN_TYPE, Event
from stream_app.render import geojson, table
from stream_app.render.cap import CapOptions, cap_of_event, cap_of_incident, cap_of_withdrawal
from stream_app.render.filter import Filter, Where, parse_place
from stream_app.render.printable import printable
from stream_app.render.shown import Seen, Shown
from stream_app.settings import Settings

Format = Literal["table", "jsonl", "geojson", "cap"]
TOPICS = ("events", "alerts", *(f"alerts.{concept}" for concept in CONCEPTS), "incidents")
_REMEMBERED = 10_000
_WITHDRAWN = 1_000_000
"""Names of what was withdrawn that are remembered: 100 MB at most."""
_RETRY_S = 1.0


@dataclass
class Printer:
    """Writes items in one format; GeoJSON of a read that ends is one collection, of one that goes on a line each."""

    form: Format
    cap: CapOptions
    follow: bool
    write: Callable[[str], None]
    console: Console
    concept: Concept = "humanitarian"
    features: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, Incident] = field(default_factory=dict)
    shown: Shown = field(default_factory=Shown)

    def show(self, item: Event | Incident, received: Received) -> None:
        """Print one item."""
        before = self.shown.taken_by(item) if isinstance(item, Event) else []
        previous = self.sent.get(item.id)
        if isinstance(item, Event):
            self.shown.note(item)
        else:
            self.remember(item)
        if self.form == "table":
            self._row(table.line(item, self.concept))
        elif self.form == "jsonl":
            self._record(received)
        elif self.form == "cap":
            self.write(
                cap_of_event(item, self.cap, before)
                if isinstance(item, Event)
                else cap_of_incident(item, self.cap, previous)
            )
        elif self.follow:
            self.write(json.dumps(geojson.feature(item)))
        elif isinstance(item, Incident) and not item.post_count:
            self.features.pop(item.id, None)
        else:
            self.features[item.id] = geojson.feature(item)

    def take_back(self, event: Event, received: Received) -> None:
        """Say that what a withdrawal, or an edit that is not to be shown, takes back may not be shown any more.

        A person is told of what was shown here; a program of every withdrawal, since it may have more.
        """
        before = self.shown.taken_by(event)
        if self.form == "jsonl" and (event.withdrawn or before):
            self._record(received)
        elif self.form == "geojson" and self.follow:
            if event.withdrawn or before:
                self.write(json.dumps(geojson.withdrawal(event)))
        elif self.form == "geojson":
            for each in before:
                self._without(each, place_only=event.withdrawn is not None and event.withdrawn.place_only)
        elif self.form == "cap" and before:
            self.write(cap_of_withdrawal(event, self.cap, before))
        elif self.form == "table":
            for each in before:
                self._row(table.withdrawal(event, each.at))

    def ends(self, item: Event | Incident) -> bool:
        """Whether to tell of an incident that has lost all its posts: a person, of one that was shown here."""
        return self.form in ("jsonl", "geojson") or item.id in self.sent

    def end(self) -> None:
        """Print what was held back."""
        if self.form == "geojson" and not self.follow:
            self.write(json.dumps(geojson.collection(list(self.features.values()))))

    def _without(self, seen: Seen, *, place_only: bool) -> None:
        feature = self.features.pop(seen.id, None)
        if feature is not None and place_only:
            feature["geometry"] = feature["properties"]["post"]["place"] = None
            self.features[seen.id] = feature

    def _row(self, row: Text) -> None:
        if self.console.is_terminal:
            self.console.print(row, overflow="ellipsis", no_wrap=True, crop=True)
        else:
            self.write(row.plain)  # whoever reads a pipe cuts for himself

    def _record(self, received: Received) -> None:
        self.write(json.dumps({"cloudevent": _attributes(received), "data": json.loads(received.value)}))

    def remember(self, incident: Incident) -> None:
        """The version that the next one's CAP message is to refer to."""
        self.sent.pop(incident.id, None)
        self.sent[incident.id] = incident
        if len(self.sent) > _REMEMBERED:
            del self.sent[next(iter(self.sent))]


@click.command()
@bootstrap_option
@prefix_option
@click.argument("what", type=click.Choice(TOPICS), default="events")
@click.option("--format", "form", type=click.Choice(["table", "jsonl", "geojson", "cap"]), default="table")
@click.option("--task", "tasks", type=click.Choice(CONCEPTS), multiple=True, help="look at this task; repeatable")
@click.option(
    "--label", "labels", type=click.Choice([x for c in CONCEPTS for x in LABELS[c]]), multiple=True, help="repeatable"
)
@click.option("--min-confidence", type=click.FloatRange(0, 1), default=0.0, help="least probability")
@click.option("--place", callback=parsed_by(parse_place), help="name, or west,south,east,north, or lat,lon,radius km")
@click.option("--language", help="such as en or si")
@since_option("now, beginning, 15m, 2h or 2026-03-14T09:00  [default: now; beginning with --no-follow]")
@click.option("--follow/--no-follow", default=True, help="go on with new ones, or end where the topic ends now")
@click.option(
    "--copies/--no-copies", default=None, help="show reposts and copies too  [default: not among alerts in a table]"
)
@click.option("--limit", type=click.IntRange(min=1), help="end after this many")
@click.option("--cap-sender", default="crisis-stream@localhost", show_default=True)
@click.option(
    "--cap-status",
    type=click.Choice(["Actual", "Exercise", "System", "Test", "Draft"]),
    default="Exercise",
    show_default=True,
)
@click.option("--cap-scope", type=click.Choice(["Public", "Restricted"]), default="Restricted", show_default=True)
def command(
    bootstrap: str | None,
    prefix: str | None,
    what: str,
    form: Format,
    tasks: tuple[Any, ...],
    labels: tuple[str, ...],
    min_confidence: float,
    place: Where | None,
    language: str | None,
    since: datetime | None,
    follow: bool,
    copies: bool | None,
    limit: int | None,
    cap_sender: str,
    cap_status: Any,
    cap_scope: Any,
) -> None:
    """Follow labelled events, the alerts of one task or of all, or incidents.

    CAP messages say Exercise and Restricted; a public warning needs both --cap-status Actual and --cap-scope Public.
    They are made of incidents, and of events that pass the alert rule of another task than informativeness.
    """
    if cap_status == "Actual" and cap_scope == "Public":
        click.secho("Warning: writing Actual, Public messages from unverified posts.", fg="yellow", err=True)
    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    wanted = Filter(
        tasks,
        frozenset(labels),
        min_confidence,
        place,
        language,
        alerts=settings.alerts if form == "cap" else None,
        copies=copies if copies is not None else form != "table" or not what.startswith("alerts"),
    )
    console = Console(highlight=False)
    options = CapOptions(cap_sender, cap_status, cap_scope)
    printer = Printer(form, options, follow, click.echo, console, _concept(what, tasks))
    if form == "table":
        console.print(table.HEADER, style="bold", no_wrap=True, crop=True)
    start = since if follow or since is not None else EPOCH
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_watch(settings, what, wanted, printer, since=start, limit=limit))
    except KafkaError as error:
        raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {reason(error)}") from error
    printer.end()


async def _watch(
    settings: Settings, what: str, wanted: Filter, printer: Printer, *, since: datetime | None, limit: int | None
) -> None:
    shown = 0
    topics = _topics(settings, what)
    if printer.form == "cap" and what == "incidents" and since != EPOCH:
        await _recall(settings, topics, since or datetime.now(UTC), printer)
    reading = (
        _live(settings, topics, since) if printer.follow else subscribe(settings, topics, since=since, until_end=True)
    )
    gone = Barred(_WITHDRAWN)
    if not printer.follow and what != "incidents":
        await _withdrawn(settings, topics, since, gone)
    async with aclosing(_items(reading, incidents=what == "incidents")) as items:
        async for item, received in items:
            if isinstance(item, Event):
                gone.take(item)
                if item.withdrawn or (item.supersedes and not wanted.event(item)):
                    printer.take_back(item, received)
                    continue
                if gone.bars_event(item):
                    continue
            if not (printer.ends(item) if _ended(item) else _passes(item, wanted)):
                continue
            printer.show(item, received)
            shown += 1
            if shown == limit:
                return


def _ended(item: Event | Incident) -> bool:
    return isinstance(item, Incident) and not item.post_count


def _passes(item: Event | Incident, wanted: Filter) -> bool:
    return wanted.incident(item) if isinstance(item, Incident) else wanted.event(item)


async def _withdrawn(settings: Settings, topics: Sequence[str], since: datetime | None, gone: Barred) -> None:
    """Find what was withdrawn up to now: a file that is written once is not to hold what may not be shown any more."""
    async for received in subscribe(settings, topics, since=since, until_end=True):
        if received.headers.get("ce_type") == WITHDRAWN_TYPE or b'"supersedes":null' not in received.value:
            with suppress(ValidationError):
                gone.take(Event.model_validate_json(received.value))


async def _recall(settings: Settings, topics: Sequence[str], before: datetime, printer: Printer) -> None:
    """Remember each incident's last version of before, so that its next one is an Update and no second Alert."""
    with suppress(UnknownTopicOrPartitionError):
        history = subscribe(settings, topics, since=EPOCH, until_end=True)
        async with aclosing(_items(history, incidents=True)) as items:
            async for item, received in items:
                if isinstance(item, Incident) and received.timestamp < before:
                    printer.remember(item)


async def _live(settings: Settings, topics: Sequence[str], since: datetime | None) -> AsyncGenerator[Received, None]:
    """Records as they come; topics that are not there yet are waited for, and then read from their beginning."""
    waiting = False
    while True:
        try:
            async for received in subscribe(settings, topics, since=since):
                yield received
        except UnknownTopicOrPartitionError as error:
            if not waiting:
                click.echo(f"Waiting: {reason(error)}", err=True)
            waiting, since = True, EPOCH
            await asyncio.sleep(_RETRY_S)


async def _items(
    reading: AsyncIterator[Received], *, incidents: bool
) -> AsyncGenerator[tuple[Event | Incident, Received], None]:
    """The records that can be read; an event that raised several alerts, or is withdrawn in several, comes once."""
    seen: dict[tuple[str, datetime | None], None] = {}
    async for received in reading:
        try:
            if incidents:
                if received.value:
                    yield Incident.model_validate_json(received.value), received
                continue
            event = Event.model_validate_json(received.value)
        except ValidationError as error:
            where = f"{received.topic}[{received.partition}]@{received.offset}"
            click.echo(f"skipped {where}, which cannot be read: {printable(error.errors()[0]['msg'])}", err=True)
            continue
        # The withdrawal has the id of what it withdraws; an event of that id that was made later is a new one.
        name = event.id, event.timings.produced_at if event.withdrawn else None
        if name not in seen:
            seen[name] = None
            if event.withdrawn and not event.withdrawn.place_only:
                for each in (event.id, *event.withdrawn.events):
                    seen.pop((each, None), None)
            if len(seen) > _REMEMBERED:
                del seen[next(iter(seen))]
            yield event, received


def _concept(what: str, tasks: Sequence[Concept]) -> Concept:
    """Whose label a table shows first: the one alert topic's or the one task's, else the category."""
    asked = [concept for concept in CONCEPTS if what == f"alerts.{concept}"] or list(tasks)
    return asked[0] if len(asked) == 1 else "humanitarian"


def _topics(settings: Settings, what: str) -> list[str]:
    names = settings.topics
    if what == "alerts":
        return [names.alerts(concept) for concept in CONCEPTS]
    if what.startswith("alerts."):
        return [names.alerts(what.removeprefix("alerts."))]
    return [names.incidents if what == "incidents" else names.events]


def _attributes(received: Received) -> dict[str, str]:
    names = {name: name.removeprefix("ce_") for name in received.headers if name.startswith("ce_")}
    return {short: received.headers[name] for name, short in names.items()}
