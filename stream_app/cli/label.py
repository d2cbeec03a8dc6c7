"""``crisis-stream label``: a file of posts in, a file of events out, no Kafka."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from model.load import load_scorer
from stream_app.cli.options import placement_options, with_options
from stream_app.offline.files import STANDARD, Sink, Tally, opened_lines, size_of
from stream_app.offline.images import images_from
from stream_app.offline.label import Fetch, OfflineLabeller
from stream_app.pipeline.feed.registry import AwayError
from stream_app.pipeline.labelling.scoring import ModelBrokenError
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.reader import Reader
from stream_app.settings import Settings

FILE = click.Path(path_type=Path, dir_okay=False, allow_dash=True)
FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)


@click.command("label")
@click.argument("source", metavar="IN.jsonl", type=FILE)
@click.argument("target", metavar="OUT.jsonl", type=FILE)
@click.option("--images", type=FOLDER, help="Take images from this folder, by the file name their address ends with.")
@click.option("--no-images", is_flag=True, help="Label from text and context alone.")
@click.option("--model", help="default, fixed or a folder of weights.  [default: the setting model.source]")
@placement_options
@click.option("--errors", type=FILE, help="Where lines that fail go.  [default: OUT.jsonl.errors.jsonl]")
def command(
    *,
    source: Path,
    target: Path,
    images: Path | None,
    no_images: bool,
    model: str | None,
    device: str | None,
    number_format: str | None,
    errors: Path | None,
) -> None:
    """Label the posts of a file, one a line, in any format of docs/formats.md; write one event a line, in their order.

    IN may be JSON Lines, a JSON list, CSV with a header or X's archive, packed as gz, bz2, zst, tar or zip; - stands
    for standard input or output. A file in which nothing is a post is refused. Images are fetched as the stream does,
    within the same limits, unless --images or --no-images says otherwise. A line that cannot be labelled goes to the
    errors file with its number and reason (to standard error when OUT is -). Exits 1 when no post could be labelled.
    """
    if images and no_images:
        raise click.UsageError("--images and --no-images exclude each other.")
    if source != STANDARD and source == target:
        raise click.UsageError("IN and OUT are the same file.")
    settings = with_options(Settings(), device=device, number_format=number_format)
    sink, console = Sink(target, errors), Console(stderr=True)
    started = time.monotonic()
    try:
        reader = Reader(settings.feed, settings.posts)
        scorer = load_scorer(model or settings.model.source, **settings.model.placement)
        source_of_images = images_from(settings.media, scorer.prepare, folder=images, none=no_images)
        enrich = Enricher(settings.place)
        labelling = partial(
            OfflineLabeller, scorer, unsure_below=settings.labelling.unsure_below, reader=reader, enrich=enrich
        )
        tally = asyncio.run(_label(source, reader, sink, console, labelling, source_of_images))
    except BrokenPipeError:
        raise  # whoever read our output has seen enough; click ends quietly
    except (OSError, ValueError, ModelBrokenError, AwayError) as error:
        raise click.ClickException(str(error)) from None
    _report(tally, sink, time.monotonic() - started, console)
    sys.exit(0 if tally.labelled else 1)


async def _label(
    source: Path,
    reader: Reader,
    sink: Sink,
    console: Console,
    labelling: Callable[[Fetch], OfflineLabeller],
    images: AbstractAsyncContextManager[Fetch],
) -> Tally:
    tally = Tally()
    with opened_lines(source, reader) as (lines, position), sink, _progress(console) as progress:
        task = progress.add_task("labelling", total=size_of(source), posts=0)
        async with images as fetch:
            async for answer in labelling(fetch).answers(lines):
                sink.write(answer)
                tally.add(answer)
                progress.update(task, completed=position(), posts=tally.labelled)
    return tally


def _progress(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[posts]:,} posts"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _report(tally: Tally, sink: Sink, seconds: float, console: Console) -> None:
    rate = tally.lines / max(seconds, 1e-9)
    table = Table("concept", "label", "posts", box=None, pad_edge=False)
    for concept, labels in tally.labels.items():
        for label, number in labels.most_common():
            table.add_row(concept, label, f"{number:,}")
    if tally.labelled:
        console.print(table)
    console.print(
        f"{tally.lines:,} lines in {seconds:.1f} s ({rate:,.0f}/s): {tally.labelled:,} labelled, of these "
        f"{tally.duplicates:,} duplicates, {tally.degraded:,} degraded, {tally.review:,} to review; "
        f"{tally.withdrawn:,} withdrawals and {tally.skipped:,} notices passed over; {tally.errors:,} errors"
        + (f", see {sink.errors}" if tally.errors and sink.errors else ""),
        highlight=False,
        soft_wrap=True,
    )
