"""``crisis-stream watch``: follows events, alerts or incidents."""

from __future__ import annotations

import asyncio
import json
import math
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
from stream_app.decisions.showcase import Showcase
from stream_app.decisions.shown import Shown as Decided
from stream_app.decisions.store import decision_in, read_decisions
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import reason
from stream_app.kafka.subscribe import EPOCH, Model, Received, subscribe
from stream_app.pipeline.events.barred import Barred
from stream_app.pipeline.events.event import WITHDRAWN_TYPE, Event
from stream_app.render import geojson, table
from stream_app.render.cap import CapOptions, cap_of_event, cap_of_incident, cap_of_withdrawal
from stream_app.render.filter import Filter, Where, parse_place
from stream_app.render.printable import printable
from stream_app.render.shown import Seen, Shown
from stream_app.settings import Settings

Format = Literal["table", "jsonl", "geojson", "cap"]
TOPICS = ("events", "alerts", *(f"alerts.{concept}" for concept in CONCEPTS), "incidents", "emerging")
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
    showcase: Showcase = field(default_factory=lambda: Showcase(_REMEMBERED))
    shown: Shown = field(default_factory=Shown)

    def show(self, item: Event, received: Received) -> None:
        """Print one event."""
        before = self.shown.taken_by(item)
        self.shown.note(item)
        if self.form == "cap":
            self.write(cap_of_event(item, self.cap, before))
        elif self.form == "jsonl":
            self._record(received)
        else:
            self._draw(item)

    def show_incident(self, item: Decided, received: Received) -> None:
        """Print one incident as people see it."""
        if self.form == "cap":
            self.write(cap_of_incident(item, self.cap, self.showcase.earlier(item)))
        elif self.form == "jsonl" and (item.log or item.parts):
            work = item.model_dump(mode="json", include={"work", "parts", "log", "revision"})
            self._record(received, {**item.incident.model_dump(mode="json"), **work})
        elif self.form == "jsonl":
            self._record(received)
        elif self.form == "geojson" and not self.follow and not item.incident.post_count:
            self.features.pop(item.incident.id, None)
        else:
            self._draw(item.incident)
        self.showcase.say(item.said)

    def _draw(self, item: Event | Incident) -> None:
        if self.form == "table":
            self._row(table.line(item, self.concept))
        elif self.follow:
            self.write(json.dumps(geojson.feature(item)))
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

    def ends(self, item: Decided) -> bool:
        """Whether to tell of an incident that has lost all its posts: a person, of one that was shown here."""
        return self.form in ("jsonl", "geojson") or bool(self.showcase.earlier(item))

    def end(self) -> None:
        """Print what was held back."""
        if self.form == "geojson" and not self.follow:
            self.write(json.dumps(geojson.collection(list(self.features.values()))))

    def _without(self, seen: Seen, *, place_only: bool) -> None:
        feature = self.features.pop(seen.id, None)
        if feature is not None and place_only:
            feature["geometry"] = feature["properties"]["post"]["place"] = None
            self.features[seen.id] = feature

    def show_emerging(self, each: Emerging, received: Received) -> None:
        """Print a word, place or photo that bursts."""
        if self.form == "jsonl":
            self._record(received)
        else:
            self._row(table.line(each))

    def _row(self, row: Text) -> None:
        if self.console.is_terminal:
            self.console.print(row, overflow="ellipsis", no_wrap=True, crop=True)
        else:
            self.write(row.plain)  # whoever reads a pipe cuts for himself

    def _record(self, received: Received, data: dict[str, Any] | None = None) -> None:
        """An event or incident untouched; of an incident that somebody worked on what is shown, with the work."""
        self.write(json.dumps({"cloudevent": _attributes(received), "data": data or _untouched(received)}))


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
    """Follow labelled events, the alerts of one task or of all, incidents, or what is emerging.

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
    if what == "emerging" and form not in ("table", "jsonl"):
        raise click.UsageError("what is emerging is shown as table or jsonl: it is no place, and warns of nothing")
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
    tell = {"incidents": _incidents, "emerging": _emerging}.get(what, _events)
    told = tell(settings, what, wanted, printer, since=since)
    shown = 0
    async with aclosing(told) as items:
        async for _ in items:
            shown += 1
            if shown == limit:
                return


async def _events(
    settings: Settings, what: str, wanted: Filter, printer: Printer, *, since: datetime | None
) -> AsyncGenerator[None, None]:
    """Show events as they come; yields after each one shown."""
    topics, gone = _topics(settings, what), Barred(_WITHDRAWN)
    if not printer.follow:
        await _withdrawn(settings, topics, since, gone)
    async with aclosing(_items(_reading(settings, topics, printer, since))) as items:
        async for item, received in items:
            gone.take(item)
            if item.withdrawn or (item.supersedes and not wanted.event(item)):
                printer.take_back(item, received)
            elif wanted.event(item) and not gone.bars_event(item):
                printer.show(item, received)
                yield


async def _emerging(
    settings: Settings,
    what: str,
    wanted: Filter,  # noqa: ARG001 - a word has no place, language or label
    printer: Printer,
    *,
    since: datetime | None,
) -> AsyncGenerator[None, None]:
    """Show what is emerging; yields after each one shown."""
    async with aclosing(_reading(settings, _topics(settings, what), printer, since)) as records:
        async for received in records:
            each = _read(received, Emerging) if received.value else None
            if each is not None:
                printer.show_emerging(each, received)
                yield


async def _incidents(
    settings: Settings, what: str, wanted: Filter, printer: Printer, *, since: datetime | None
) -> AsyncGenerator[None, None]:
    """Show incidents whenever they change by a post or by what somebody did; yields after each one shown."""
    showcase, topics = printer.showcase, _topics(settings, what)
    if await _recall(settings, showcase, since) and printer.follow:
        topics.append(settings.topics.decisions)
    async with aclosing(_reading(settings, topics, printer, since)) as records:
        async for received in records:
            for item in _changed(settings, showcase, received):
                ended = not item.incident.post_count
                if printer.ends(item) if ended else wanted.incident(item.incident):
                    printer.show_incident(item, received)
                    yield
                if ended:
                    showcase.drop(item.incident.id)


def _changed(settings: Settings, showcase: Showcase, received: Received) -> list[Decided]:
    """What a record makes of the incidents on show; one that lost all its posts as it is."""
    if received.topic == settings.topics.decisions:
        before, decision = showcase.items, decision_in(received)
        if decision is None or not showcase.act(decision):
            return []
        return [item for name, item in showcase.items.items() if before.get(name) != item]
    incident = _incident(received)
    if incident is None:
        return []
    if not incident.post_count:
        return [Decided(incident=incident, revision=str(incident.version))]
    showcase.put(incident)
    item = showcase.item(incident.id)
    return [] if item is None else [item]


def _reading(
    settings: Settings, topics: Sequence[str], printer: Printer, since: datetime | None
) -> AsyncGenerator[Received, None]:
    return _live(settings, topics, since) if printer.follow else _past(settings, topics, since)


async def _past(settings: Settings, topics: Sequence[str], since: datetime | None) -> AsyncGenerator[Received, None]:
    async for received in subscribe(settings, topics, since=since, until_end=True):
        yield received


async def _withdrawn(settings: Settings, topics: Sequence[str], since: datetime | None, gone: Barred) -> None:
    """Find what was withdrawn up to now: a file that is written once is not to hold what may not be shown any more."""
    async for received in subscribe(settings, topics, since=since, until_end=True):
        if received.headers.get("ce_type") == WITHDRAWN_TYPE or b'"supersedes":null' not in received.value:
            with suppress(ValidationError):
                gone.take(Event.model_validate_json(received.value))


async def _recall(settings: Settings, showcase: Showcase, since: datetime | None) -> bool:
    """Learn what was there before ``since``: parts of merged incidents, and messages that the next ones refer to.

    All that people did is learnt, also what came later. False where that topic is not there or hidden from this user.
    """
    before = since or datetime.now(UTC)
    with suppress(UnknownTopicOrPartitionError):
        if before != EPOCH:
            async with aclosing(_past(settings, [settings.topics.incidents], EPOCH)) as records:
                async for received in records:
                    incident = _incident(received) if received.timestamp < before else None
                    if incident is not None and incident.post_count:
                        showcase.put(incident)
                    elif incident is not None:
                        showcase.drop(incident.id)
        for decision in await read_decisions(settings):
            showcase.act(decision)
        return True
    return False


def _incident(received: Received) -> Incident | None:
    return _read(received, Incident) if received.value else None


def _read(received: Received, model: type[Model]) -> Model | None:
    try:
        return model.model_validate_json(received.value)
    except ValidationError as error:
        said = printable(error.errors()[0]["msg"])
        click.echo(f"skipped {received.place}, which cannot be read: {said}", err=True)
        return None


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


async def _items(reading: AsyncIterator[Received]) -> AsyncGenerator[tuple[Event, Received], None]:
    """The events that can be read; one that raised several alerts, or is withdrawn in several, comes once."""
    seen: dict[tuple[str, datetime | None], None] = {}
    async for received in reading:
        event = _read(received, Event)
        if event is None:
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
    return [{"incidents": names.incidents, "emerging": names.emerging}.get(what, names.events)]


def _untouched(received: Received) -> Any:
    """What was published, with null for numbers that JSON has none for: what of it we do not know may hold some."""
    return json.loads(received.value, parse_constant=lambda _: None, parse_float=_number)


def _number(digits: str) -> float | None:
    return number if math.isfinite(number := float(digits)) else None


def _attributes(received: Received) -> dict[str, str]:
    names = {name: name.removeprefix("ce_") for name in received.headers if name.startswith("ce_")}
    return {short: received.headers[name] for name, short in names.items()}
