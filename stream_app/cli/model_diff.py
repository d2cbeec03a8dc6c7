"""``crisis-stream model diff``: two models over the same posts, of a file or of Kafka topics between two times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from stream_app.cli.options import Moment, bootstrap_option, with_options
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.offline.compare import ModelDiff
    from stream_app.offline.label import Line
    from stream_app.pipeline.posts.reader import Reader


@dataclass(frozen=True, slots=True)
class _Source:
    """Where the posts are: a file, or topics between two times."""

    file: Path | None
    topics: tuple[str, ...]
    since: datetime | None
    until: datetime | None

    def __str__(self) -> str:
        return str(self.file) if self.file else ", ".join(self.topics)


@click.command()
@bootstrap_option
@click.argument("first")
@click.argument("second")
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--from-topic", "topics", multiple=True, help="compare on this Kafka topic instead of FILE; repeatable")
@click.option("--since", type=Moment(), help="first record time of --from-topic  [default: the oldest kept]")
@click.option("--until", type=Moment(), help="record time of --from-topic to leave out from  [default: now]")
@click.option(
    "--images",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="take images from this folder, by the file name their address ends with",
)
@click.option("--no-images", is_flag=True, help="compare on text and context alone")
@click.option("--changed", type=click.IntRange(0), default=10, show_default=True, help="most changed posts to list")
def diff(
    *,
    bootstrap: str | None,
    first: str,
    second: str,
    file: Path | None,
    topics: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    images: Path | None,
    no_images: bool,
    changed: int,
) -> None:
    """Compare two models over the posts of FILE (JSON lines, any format of docs/formats.md; .gz; - is standard input).

    With --from-topic over the posts that a Kafka topic holds, in order of time; nothing is written there. Both label
    each post as the worker would, its photos fetched once. For each concept: the share of posts with the same label,
    how labels moved (rows: FIRST, columns: SECOND), and the posts whose probabilities moved most (0 to 1).
    """
    from stream_app.offline.compare import report
    from stream_app.pipeline.feed.registry import AwayError
    from stream_app.pipeline.labelling.scoring import ModelBrokenError
    from stream_app.replay import ReplayError

    if images and no_images:
        raise click.UsageError("--images and --no-images exclude each other.")
    if (file is None) == (not topics):
        raise click.UsageError("name either FILE or --from-topic, one of the two")
    if file and (since or until):
        raise click.UsageError("--since and --until are for --from-topic; a file is compared whole")
    source, settings = _Source(file, topics, since, until), with_options(Settings(), bootstrap=bootstrap)
    try:
        found = asyncio.run(_compare(settings, first, second, source, images, changed, no_images=no_images))
    except (OSError, ValueError, ModelBrokenError, ReplayError, AwayError) as error:
        raise click.ClickException(str(error)) from error
    if not found.posts:
        raise click.ClickException(f"{source} holds no post that both models could label ({found.failed} lines failed)")
    click.echo("\n".join(report(found)))


async def _compare(
    settings: Settings, first: str, second: str, source: _Source, images: Path | None, changed: int, *, no_images: bool
) -> ModelDiff:
    from model.load import load_scorer
    from stream_app.offline.compare import compare
    from stream_app.offline.images import images_from
    from stream_app.pipeline.posts.enrich import Enricher
    from stream_app.pipeline.posts.reader import Reader

    reader, enrich = Reader(settings.feed, settings.posts), Enricher(settings.place)
    before, after = (load_scorer(name, **settings.model.placement) for name in (first, second))
    prepare = after.prepare if first == "fixed" else before.prepare  # trained models prepare alike, fixed does not look
    async with (
        _lines(settings, source, reader) as lines,
        images_from(settings.media, prepare, folder=images, none=no_images) as fetch,
    ):
        return await compare(lines, before, after, fetch, listed=changed, reader=reader, enrich=enrich)


@asynccontextmanager
async def _lines(settings: Settings, source: _Source, reader: Reader) -> AsyncIterator[AsyncIterator[Line]]:
    from stream_app.offline.files import opened_lines
    from stream_app.offline.label import Line
    from stream_app.replay.topics import TopicHistory

    async def of_file() -> AsyncIterator[Line]:
        for line in lines:
            yield line

    async def of_topics() -> AsyncIterator[Line]:
        number = 0
        async for item in history.items({}):
            number += 1
            yield Line(number, item.value or b"")

    if source.file is not None:
        with opened_lines(source.file, reader) as (lines, _):
            yield of_file()
    else:
        history = TopicHistory(settings.kafka, source.topics, "", source.since, source.until)
        await history.find()
        yield of_topics()
