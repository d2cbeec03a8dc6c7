"""``crisis-stream feedback``: analysts' verdicts, and the alert thresholds they ask for."""

from __future__ import annotations

import asyncio
import getpass
import json
import os
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from rich.console import Console
from rich.table import Table

from model.scorer import CONCEPTS, LABELS
from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.feedback.counts import VerdictCount
from stream_app.feedback.export import Judged, judged, row_of
from stream_app.feedback.refit import Proposal, Quality, judgements, propose, toml_fragment
from stream_app.feedback.store import add_verdict, read_events, read_verdicts
from stream_app.feedback.tables import read_counts
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.clients import reason
from stream_app.render.printable import cell, json_line, print_whole
from stream_app.settings import Settings

T = TypeVar("T")


@click.group()
@bootstrap_option
@prefix_option
@click.pass_context
def command(ctx: click.Context, bootstrap: str | None, prefix: str | None) -> None:
    """Record what analysts say of labels, and re-fit the alert thresholds to it."""
    ctx.obj = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)


@command.command()
@click.argument("event")
@click.option("--informativeness", type=click.Choice(LABELS["informativeness"]), help="the right label")
@click.option("--humanitarian", type=click.Choice(LABELS["humanitarian"]), help="the right label")
@click.option("--damage", type=click.Choice(LABELS["damage"]), help="the right label")
@click.option("--request", type=click.Choice(LABELS["request"]), help="does it ask for help?")
@click.option("--analyst", default=getpass.getuser, help="who says so  [default: your user name]")
@click.option("--note")
@click.option("--force", is_flag=True, help="also where Kafka does not have the event, since it kept it no longer")
@click.pass_obj
def add(
    settings: Settings, /, event: str, analyst: str, note: str | None, *, force: bool, **labels: str | None
) -> None:
    """Record the right labels of the event with id EVENT; tasks you leave out are not judged."""
    given = {concept: label for concept, label in labels.items() if label is not None}
    if not given:
        raise click.UsageError(
            "say the right label of at least one task: --informativeness, --humanitarian, --damage, --request"
        )
    verdict = Verdict.model_validate({"event": event, "labels": given, "analyst": analyst, "note": note})
    if not force and not _run(settings, _known(settings, event)):
        raise click.ClickException(
            f"{settings.topics.events} has no event {event!r}: `crisis-stream watch --format jsonl` shows their ids; "
            "say --force for one that is older than what Kafka keeps"
        )
    _run(settings, add_verdict(settings, verdict))
    click.echo(f"Recorded in {settings.topics.feedback}.", err=True)


@command.command("list")
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@click.pass_obj
def list_(settings: Settings, form: str) -> None:
    """Show the verdicts, of one analyst on one event the latest."""
    verdicts = _run(settings, read_verdicts(settings))
    if form == "jsonl":
        for verdict in verdicts:
            click.echo(json_line(verdict.model_dump_json()))
        return
    table = Table("event", "when", "analyst", "labels", "note")
    for verdict in verdicts:
        when = f"{verdict.at:%Y-%m-%d %H:%M}" if verdict.at else ""
        words = (verdict.event, when, verdict.analyst, ", ".join(verdict.labels.values()), verdict.note)
        table.add_row(*map(cell, words))
    print_whole(table)


@command.command()
@click.option("--format", "form", type=click.Choice(["table", "jsonl"]), default="table")
@click.pass_obj
def counts(settings: Settings, form: str) -> None:
    """Show how often analysts agreed with each model's labels, as counted by `crisis-stream incidents`."""
    found = _run(settings, _counted(settings))
    if form == "jsonl":
        for each in found:
            click.echo(json_line(each.model_dump_json()))
        return
    table = Table("task", "model", "it said", "analysts said", "verdicts")
    for each in found:
        gone = each.model is None
        given = "unknown: the event is gone" if gone else each.given or "none"
        words = (each.concept, each.model, given, "the same" if each.agrees else each.right, str(each.count))
        table.add_row(*map(cell, words))
    print_whole(table)


@command.command()
@click.option("--precision", type=click.FloatRange(0, 1), help="reach this precision, rather than the best F1")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="write the fragment here, not to stdout")
@click.pass_obj
def refit(settings: Settings, precision: float | None, out: Path | None) -> None:
    """Propose alert thresholds from verdicts, and print them as a fragment of crisis-stream.toml."""
    proposals = _run(settings, _proposals(settings, precision))
    table = Table("task", "verdicts", "now", "proposed")
    for proposal in proposals:
        table.add_row(
            proposal.task,
            str(proposal.judged),
            _words(proposal.current),
            f"none: {proposal.refusal}" if proposal.refusal else _words(proposal.proposed),
        )
    Console(stderr=True).print(table)
    fragment = toml_fragment(proposals, settings.alerts)
    if out is not None and fragment:
        out.write_text(fragment)
        click.echo(f"Wrote {out}: put its sections into crisis-stream.toml and restart the workers.", err=True)
    elif fragment:
        click.echo(fragment)


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--photos",
    type=click.Path(file_okay=False, path_type=Path),
    help="fetch the photos of judged posts into this folder; without it posts with photos are left out",
)
@click.pass_obj
def export(settings: Settings, file: Path, photos: Path | None) -> None:
    """Write the judged posts and their right labels into FILE, as rows that `crisis-stream model train --rows` reads.

    Where analysts differ the majority counts; withdrawn posts, and events that Kafka no longer has, are left out.
    """
    found = _run(settings, _judged(settings))
    if not found:
        raise click.ClickException(f"no verdict in {settings.topics.feedback} is on an event that Kafka still has")
    file.parent.mkdir(parents=True, exist_ok=True)
    paths = asyncio.run(_photos(settings, found, photos)) if photos else {}
    rows = [
        row_of(each, os.path.relpath(paths[each.event.id], file.parent) if each.photos else None)
        for each in found
        if not each.photos or each.event.id in paths
    ]
    file.write_text("".join(json_line(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows), encoding="utf-8")
    missed = len(found) - len(rows)
    why = "their photo could not be fetched" if photos else "they have photos: say --photos FOLDER to fetch them"
    click.echo(f"{file}: {len(rows)} rows" + (f"; {missed} posts left out, {why}" if missed else ""), err=True)


async def _judged(settings: Settings) -> list[Judged]:
    verdicts = await read_verdicts(settings)
    return judged(verdicts, await read_events(settings, (verdict.event for verdict in verdicts)))


async def _photos(settings: Settings, found: Sequence[Judged], folder: Path) -> dict[str, Path]:
    """The first photo of each post, by event id, fetched within the worker's limits and written as a JPEG."""
    import numpy as np
    from PIL import Image

    from stream_app.offline.images import images_from
    from stream_app.pipeline.posts.post import MediaLink

    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    async with images_from(settings.media, lambda image: np.asarray(image.convert("RGB"))) as fetch:
        for each in (each for each in found if each.photos):
            (outcome,) = await fetch([MediaLink(url=each.photos[0])])
            if outcome.image is not None:
                paths[each.event.id] = folder / f"{each.event.id}.jpg"
                Image.fromarray(outcome.image).save(paths[each.event.id], quality=90)
    return paths


async def _known(settings: Settings, event: str) -> bool:
    try:
        return bool(await read_events(settings, [event]))
    except UnknownTopicOrPartitionError:
        return False


async def _counted(settings: Settings) -> list[VerdictCount]:
    try:
        found = await read_counts(settings)
    except UnknownTopicOrPartitionError as error:
        raise click.ClickException("nothing was counted yet: `crisis-stream incidents` counts verdicts") from error
    return sorted(
        found, key=lambda each: (CONCEPTS.index(each.concept), each.model or "", not each.agrees, -each.count)
    )


async def _proposals(settings: Settings, precision: float | None) -> list[Proposal]:
    verdicts = await read_verdicts(settings)
    events = await read_events(settings, (verdict.event for verdict in verdicts))
    told = judgements(verdicts, events, settings.alerts)
    rules = settings.alerts
    return [propose(task, told[task], getattr(rules, task).min_probability, precision) for task in CONCEPTS]


def _words(quality: Quality | None) -> str:
    if quality is None:
        return "-"
    precision = "-" if quality.precision is None else f"{quality.precision:.2f}"
    return f"{quality.threshold:.3f}: precision {precision}, recall {quality.recall:.2f}, F1 {quality.f1:.2f}"


def _run(settings: Settings, work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except KafkaError as error:
        raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {reason(error)}") from error
