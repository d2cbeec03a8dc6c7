"""``crisis-stream watch``: follows events, alerts or incidents."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import click
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from pydantic import ValidationError
from rich.console import Console

from model.scorer import CONCEPTS, LABELS, Concept
from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.incidents.incident import Incident
from stream_app.kafka.clients import reason
from stream_app.kafka.subscribe import EPOCH, Received, subscribe
from stream_app.pipeline.events.event import Event
from stream_app.render.cap import CapOptions, cap_of_event, cap_of_incident
from stream_app.render.filter import Filter, Where, parse_place
from stream_app.render.geojson import collection, feature
from stream_app.render.printable import printable
from stream_app.render.table import HEADER, line
from stream_app.settings import Settings

Format = Literal["table", "jsonl", "geojson", "cap"]
TOPICS = ("events", "alerts", *(f"alerts.{concept}" for concept in CONCEPTS), "incidents")
_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_REMEMBERED = 10_000
_RETRY_S = 1.0


def parse_since(text: str, now: datetime) -> datetime:
    """``now``, ``beginning``, an age such as ``90s``, ``15m`` or ``7d``, or an ISO 8601 moment (UTC where not said).

    Raises:
        ValueError: none of these.
    """
    if text in ("now", "beginning"):
        return now if text == "now" else EPOCH
    if found := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[found[2]]: float(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment: say now, beginning, 15m, 2h, 7d or 2026-03-14T09:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _option(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    def callback(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


@dataclass
class Printer:
    """Writes items in one format; GeoJSON of a read that ends is one collection, of one that goes on a line each."""

    form: Format
    cap: CapOptions
    follow: bool
    write: Callable[[str], None]
    console: Console
    concept: Concept = "humanitarian"
    features: list[dict[str, Any]] = field(default_factory=list)
    sent: dict[str, Incident] = field(default_factory=dict)

    def show(self, item: Event | Incident, received: Received) -> None:
        """Print one item."""
        if self.form == "table":
            row = line(item, self.concept)
            if self.console.is_terminal:
                self.console.print(row, overflow="ellipsis", no_wrap=True, crop=True)
            else:
                self.write(row.plain)  # whoever reads a pipe cuts for himself
        elif self.form == "jsonl":
            self.write(json.dumps({"cloudevent": _attributes(received), "data": json.loads(received.value)}))
        elif self.form == "cap":
            self.write(self._cap(item))
        elif self.follow:
            self.write(json.dumps(feature(item)))
        else:
            self.features.append(feature(item))

    def end(self) -> None:
        """Print what was held back."""
        if self.form == "geojson" and not self.follow:
            self.write(json.dumps(collection(self.features)))

    def _cap(self, item: Event | Incident) -> str:
        if isinstance(item, Event):
            return cap_of_event(item, self.cap)
        previous = self.sent.pop(item.id, None)
        self.remember(item)
        return cap_of_incident(item, self.cap, previous)

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
@click.option("--place", callback=_option(parse_place), help="name, or west,south,east,north, or lat,lon,radius km")
@click.option("--language", help="such as en or si")
@click.option(
    "--since",
    callback=_option(lambda text: parse_since(text, datetime.now(UTC))),
    help="now, beginning, 15m, 2h or 2026-03-14T09:00  [default: now; beginning with --no-follow]",
)
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
        console.print(HEADER, style="bold", no_wrap=True, crop=True)
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
    async with aclosing(_items(reading, incidents=what == "incidents")) as items:
        async for item, received in items:
            if not (wanted.incident(item) if isinstance(item, Incident) else wanted.event(item)):
                continue
            printer.show(item, received)
            shown += 1
            if shown == limit:
                return


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
    """The records that can be read; an event that raised several alerts comes once."""
    seen: dict[str, None] = {}
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
        if event.id not in seen:
            seen[event.id] = None
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
