"""``crisis-stream replay``: sends history into a feed topic."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from stream_app.cli.options import Moment, bootstrap_option, with_options
from stream_app.settings import Settings


class Speed(click.ParamType):
    """``max`` or a positive number."""

    name = "max|N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """None for flat out, else how many times the original pace."""
        if value in {None, "max"}:
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither 'max' nor a number above 0, such as 60 for 60 times as fast", param, ctx)
        return speed


@click.command()
@bootstrap_option
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--from-topic", "sources", multiple=True, help="replay this Kafka topic instead of files; repeatable")
@click.option("--since", type=Moment(), help="first record time of --from-topic  [default: the oldest kept]")
@click.option("--until", type=Moment(), help="record time of --from-topic to leave out from  [default: now]")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="original pace times N, or flat out")
@click.option(
    "--max-wait",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    default=300.0,
    show_default=True,
    help="no gap in the history makes a longer wait",
)
@click.option("--prefix", help="send to the posts topic under this prefix, apart from the live topics")
@click.option("--resume", is_flag=True, help="go on where an earlier replay of the same history was stopped or killed")
@click.option("--quiet", is_flag=True, help="no progress bar")
def command(
    bootstrap: str | None,
    files: tuple[Path, ...],
    sources: tuple[str, ...],
    since: datetime | None,
    until: datetime | None,
    speed: float | None,
    max_wait: float,
    prefix: str | None,
    resume: bool,
    quiet: bool,
) -> None:
    """Send history into the feed topic, in order, untouched: the lines of FILES (docs/formats.md), or topics.

    Any of the supported formats goes; a broken line is sent as it is and becomes a dead letter downstream. The position
    reached is kept in Kafka, in the same transactions as the posts, so --resume is exact even after a kill -9.
    Ctrl-C stops after the post in hand.
    """
    if bool(files) == bool(sources):
        raise click.UsageError("name either FILES or --from-topic, one of the two")
    if files and (since or until):
        raise click.UsageError("--since and --until are for --from-topic; files are replayed whole")
    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    if settings.topics.posts in sources:
        raise click.UsageError(f"{settings.topics.posts} would be replayed into itself; choose another --prefix")
    asyncio.run(
        _replay(settings, files, sources, (since, until), speed=speed, max_wait=max_wait, resume=resume, quiet=quiet),
    )


async def _replay(
    settings: Settings,
    files: tuple[Path, ...],
    sources: tuple[str, ...],
    between: tuple[datetime | None, datetime | None],
    *,
    speed: float | None,
    max_wait: float,
    resume: bool,
    quiet: bool,
) -> None:
    from aiokafka.errors import KafkaError

    from stream_app.kafka.clients import reason
    from stream_app.kafka.ending import end_on_signals
    from stream_app.kafka.topics import ensure_topics
    from stream_app.pipeline.feed.registry import AwayError
    from stream_app.pipeline.posts.reader import Reader
    from stream_app.replay import BrokenOffError, ReplayError, replay
    from stream_app.replay.files import FileHistory
    from stream_app.replay.topics import TopicHistory

    logging.getLogger("aiokafka.producer.sender").setLevel(logging.CRITICAL)  # what it logs with a traceback, it raises
    stop = asyncio.Event()
    topic = settings.topics.posts
    history: FileHistory | TopicHistory
    bar = _bar(quiet)
    end_on_signals(
        stop.set,
        settings.worker.drain_timeout_s,
        goes_on="the same command with --resume goes on after it",
        tidy=bar.stop,
    )
    try:
        await ensure_topics(settings)
        if files:
            history = FileHistory(files, topic, timed=speed is not None, reader=Reader(settings.feed))
        else:
            history = TopicHistory(settings.kafka, sources, topic, *between)
            await history.find()
        with bar:
            task = bar.add_task(f"to {topic}", total=history.total, sent=0)
            report = await replay(
                settings.kafka,
                history,
                topic,
                letters=settings.topics.dead_letters,
                speed=speed,
                max_wait_s=max_wait,
                resume=resume,
                stop=stop,
                progress=lambda so_far: bar.update(task, completed=history.done, sent=so_far.sent),
            )
            bar.update(task, completed=history.done, sent=report.sent)
    except BrokenOffError as error:
        raise click.ClickException(
            f"{error}. What was committed is kept; the same command with --resume goes on after it"
        ) from error
    except (ReplayError, AwayError) as error:
        raise click.ClickException(str(error)) from error
    except KafkaError as error:
        raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {reason(error)}") from error
    rate = f"{report.sent / report.seconds:,.0f} posts/s" if report.seconds else ""
    click.echo(f"sent {report.sent:,} posts to {topic} in {report.seconds:.1f} s ({rate})")
    _say_odd(report, settings.topics.dead_letters, max_wait)
    if not report.finished:
        click.echo("stopped before the end; the same command with --resume goes on from here", err=True)
        raise SystemExit(130)
    if report.left_out:
        raise SystemExit(1)


def _say_odd(report: Any, letters: str, max_wait: float) -> None:
    """What a person should know of how it went."""
    if report.cut:
        click.echo(f"{report.cut:,} gaps in the history were cut to {max_wait:g} s (--max-wait)", err=True)
    if report.backward:
        click.echo(
            f"{report.backward:,} posts are older than one before them, the first at {report.backward_at}: they were "
            "sent at once, in the order of the history",
            err=True,
        )
    if report.left_out:
        click.echo(f"too large for Kafka, now dead letters in {letters}: {len(report.left_out):,}", err=True)
        for each in report.left_out[:20]:
            click.echo(f"  {each}", err=True)


def _bar(quiet: bool) -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[sent]:,} posts"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=quiet,
    )
