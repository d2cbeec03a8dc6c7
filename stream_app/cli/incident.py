"""``crisis-stream incident``: what people do with incidents, act by act."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from pydantic import ValidationError
from rich.table import Table

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.decisions.act import (
    SHORT,
    STATUSES,
    Act,
    Assign,
    Claim,
    Correct,
    Decision,
    KnownPlace,
    Merge,
    Mute,
    Note,
    SetStatus,
    Split,
    Status,
    Undo,
)
from stream_app.decisions.board import Board, fold
from stream_app.decisions.shown import Shown, shown
from stream_app.decisions.store import decider, read_decisions
from stream_app.incidents.store import read_incidents
from stream_app.kafka.clients import reason
from stream_app.render.printable import cell, json_line, print_whole, printable
from stream_app.settings import Settings

T = TypeVar("T")

as_option = click.option("--as", "by", default=getpass.getuser, help="who does it  [default: your user name]")
incident_argument = click.argument("incident", metavar="ID")


@click.group()
@bootstrap_option
@prefix_option
@click.pass_context
def command(ctx: click.Context, bootstrap: str | None, prefix: str | None) -> None:
    """Work on an incident: claim it, check it, merge and split, correct its place, and see who did what.

    ID is the incident's id as `crisis-stream incident list` shows it; its beginning is enough.
    """
    ctx.obj = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)


@command.command()
@incident_argument
@as_option
@click.pass_obj
def claim(settings: Settings, incident: str, by: str) -> None:
    """Say "I have this"."""
    _act(settings, incident, Claim(), by)


@command.command()
@incident_argument
@click.argument("to")
@as_option
@click.pass_obj
def assign(settings: Settings, incident: str, to: str, by: str) -> None:
    """Give it to somebody else, TO."""
    _act(settings, incident, Assign(to=to), by)


@command.command()
@incident_argument
@click.argument("text")
@as_option
@click.pass_obj
def note(settings: Settings, incident: str, text: str, by: str) -> None:
    """Leave a remark, TEXT, for all who look."""
    _act(settings, incident, Note(text=text), by)


@command.command()
@incident_argument
@click.argument("status", type=click.Choice(STATUSES))
@as_option
@click.pass_obj
def status(settings: Settings, incident: str, status: Status, by: str) -> None:
    """Say how far the check has come; false and closed end the work on it."""
    _act(settings, incident, SetStatus(status=status), by)


@command.command()
@incident_argument
@click.argument("into")
@as_option
@click.pass_obj
def merge(settings: Settings, incident: str, into: str, by: str) -> None:
    """Show it as one with the incident INTO."""
    _act(settings, incident, Merge(into=into), by)


@command.command()
@incident_argument
@click.argument("posts", nargs=-1, required=True, metavar="NETWORK:POST...")
@as_option
@click.pass_obj
def split(settings: Settings, incident: str, posts: tuple[str, ...], by: str) -> None:
    """Make some of its root posts an incident of their own."""
    _act(settings, incident, Split(posts=posts), by)


@command.command(context_settings={"ignore_unknown_options": True})  # such as -6.68
@incident_argument
@click.argument("latitude", type=click.FloatRange(-90, 90))
@click.argument("longitude", type=click.FloatRange(-180, 180))
@click.option("--name", help="of the place")
@click.option("--country", help="two letters, such as LK")
@click.option("--radius", type=click.FloatRange(min=0, min_open=True, max=20_000), default=5.0, show_default=True)
@as_option
@click.pass_obj
def place(
    settings: Settings,
    incident: str,
    latitude: float,
    longitude: float,
    name: str | None,
    country: str | None,
    radius: float,
    by: str,
) -> None:
    """Correct its place: LATITUDE and LONGITUDE in degrees, the radius in km."""
    given = {
        "name": name,
        "country_code": country and country.upper(),
        "latitude": latitude,
        "longitude": longitude,
        "radius_km": radius,
    }
    _act(settings, incident, Correct(place=KnownPlace.model_validate(given)), by)


@command.command()
@incident_argument
@click.option("--hours", type=click.FloatRange(min=0, min_open=True), help="for so long  [default: until undone]")
@as_option
@click.pass_obj
def mute(settings: Settings, incident: str, hours: float | None, by: str) -> None:
    """Send no more messages of it; everybody still sees it."""
    until = None if hours is None else datetime.now(UTC) + timedelta(hours=hours)
    _act(settings, incident, Mute(until=until), by)


@command.command()
@incident_argument
@click.argument("act", required=False)
@as_option
@click.pass_obj
def undo(settings: Settings, incident: str, act: str | None, by: str) -> None:
    """Take ACT back (its id in the log, or the last act when left out); taking back an undo brings the act back."""
    _act(settings, incident, None if act is None else Undo(act=act), by)


@command.command()
@incident_argument
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@click.pass_obj
def log(settings: Settings, incident: str, form: str) -> None:
    """Show who did what to it, oldest first, and what was undone."""
    found, board = _run(settings, _everything(settings))
    item = found[_named(incident, found, board)]
    if form == "jsonl":
        for entry in item.log:
            click.echo(json_line(entry.model_dump_json()))
        return
    table = _table("act", "when", "who", "what")
    for entry in item.log:
        decision = entry.decision
        when = f"{decision.at:%Y-%m-%d %H:%M:%S}" if decision.at else ""
        did = f"{decision.act.words()}{' (undone)' if entry.undone else ''}"
        table.add_row(*map(cell, (decision.id[:SHORT], when, decision.by, did)))
    print_whole(table)


@command.command("list")
@click.option("--all", "everything", is_flag=True, help="closed and false ones too")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@click.pass_obj
def list_(settings: Settings, everything: bool, form: str) -> None:
    """Show the incidents and how far people have come with them, the latest last."""
    found, _ = _run(settings, _everything(settings))
    items = [item for item in found.values() if everything or item.incident.status == "open"]
    if form == "jsonl":
        for item in items:
            click.echo(json_line(item.model_dump_json()))
        return
    table = _table("incident", "last seen", "severity", "what", "posts", "status", "owner")
    for item in items:
        incident, work = item.incident, item.work
        state = f"{work.status}{', muted' if work.muted else ''}"
        last = f"{incident.last_seen:%Y-%m-%d %H:%M}"
        row = (incident.id, last, incident.severity, incident.title, str(incident.post_count), state, work.owner)
        table.add_row(*map(cell, row))
    print_whole(table)


def _table(first: str, *others: str) -> Table:
    """A table whose first column, an id to be copied, is never cut."""
    table = Table()
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name)
    return table


def _act(settings: Settings, incident: str, act: Act | None, by: str) -> None:
    """Store the act and say what became of it; None undoes the last one."""
    try:
        said = _run(settings, _acted(settings, incident, act, by))
    except ValidationError as error:
        raise click.ClickException("; ".join(problem["msg"] for problem in error.errors())) from error
    click.echo(said, err=True)


async def _acted(settings: Settings, incident: str, act: Act | None, by: str) -> str:
    found, board = await _everything(settings)
    name = _named(incident, found, board)
    if act is None:
        last = board.last(name)
        if last is None:
            raise click.ClickException(f"nobody has done anything to {name} that could be undone")
        act = Undo(act=last.id)
    if isinstance(act, Undo):
        ids = [entry.decision.id for entry in board.log.get(name, ())]
        near = [each for each in ids if each.startswith(act.act)]
        act = Undo(act=near[0]) if len(near) == 1 else act
    if isinstance(act, Merge):
        act = Merge(into=_named(act.into, found, board))
    if isinstance(act, Split):
        _check_members(act, found[name])
    decision = Decision(incident=name, act=act, by=by)
    if (problem := board.objection(decision)) is not None:
        raise click.ClickException(problem)
    async with decider(settings) as decide:
        await decide(decision)
    moved = f" ({incident} was merged into it)" if not name.startswith(incident) else ""
    return printable(
        f"{name}{moved}: {by} {act.words()}. Undo it with `crisis-stream incident undo {name} {decision.id[:SHORT]}`"
    )


def _check_members(act: Split, item: Shown) -> None:
    from stream_app.decisions.shown import members

    held = set(members(item.incident))
    missing = [name for name in act.posts if name not in held]
    if missing:
        raise click.ClickException(
            f"{item.incident.id} has no post {', '.join(missing)}: `crisis-stream incident list --format jsonl` "
            "names its members"
        )
    if held <= set(act.posts):
        raise click.ClickException("these are all the posts it has: leave some, or there is nothing to split")


async def _everything(settings: Settings) -> tuple[dict[str, Shown], Board]:
    incidents = await read_incidents(settings)
    try:
        decisions = await read_decisions(settings)
    except UnknownTopicOrPartitionError:
        decisions = []
    board = fold(decisions)
    return shown(incidents, board), board


def _named(given: str, found: dict[str, Shown], board: Board) -> str:
    """The id on show that ``given`` means: its own, a beginning of one, or that of one merged into another."""
    root = board.root(given)
    if root in found:
        return root
    merged = {part: name for name, item in found.items() for part in item.parts}
    near = [name for name in (*found, *merged) if name.startswith(given)]
    # What was split off has the old one's id with a suffix: a beginning of both means the old one.
    near = [name for name in near if not any(name.startswith(f"{other}-") for other in near)]
    if len(near) == 1:
        return merged.get(near[0], near[0])
    if near:
        raise click.ClickException(f"{given!r} is the beginning of {len(near)} incidents: give more of the id")
    raise click.ClickException(f"no incident {given!r}: `crisis-stream incident list --all` shows them")


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {reason(error)}") from error
