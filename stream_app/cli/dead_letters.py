"""``crisis-stream dead-letters``: lists, explains and re-drives what could not be processed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

import click

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.pipeline.events.dead_letter import ATTEMPTS, FIRST, STAGES, DeadLetter, read_dead_letter
from stream_app.render.printable import printable
from stream_app.settings import Settings


@dataclass(frozen=True)
class Wanted:
    """Which dead letters are meant; None means all."""

    stage: str | None = None
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def admits(self, letter: DeadLetter) -> bool:
        """Whether this dead letter is among them."""
        return (
            (self.stage is None or letter.stage == self.stage)
            and (self.reason is None or self.reason.lower() in letter.error.lower())
            and (self.since is None or letter.time >= self.since)
            and (self.until is None or letter.time < self.until)
        )


@click.group()
@bootstrap_option
@prefix_option
@click.pass_context
def command(ctx: click.Context, bootstrap: str | None, prefix: str | None) -> None:
    """List, explain and re-drive what could not be processed."""
    ctx.obj = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)


def _filters(function: Any) -> Any:
    moment = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"])
    for option in (
        click.option("--until", type=moment, help="before this time, UTC"),
        click.option("--since", type=moment, help="from this time on, UTC"),
        click.option("--reason", help="the error has these words"),
        click.option("--stage", type=click.Choice(STAGES), help="the step that failed"),
    ):
        function = option(function)
    return function


@command.command("list")
@_filters
@click.pass_obj
def list_letters(settings: Settings, /, **filters: Any) -> None:
    """One line per dead letter, then their number by step."""
    counts: Counter[str] = Counter()

    async def go() -> None:
        async for record, letter in letters(settings, _wanted(**filters)):
            counts[letter.stage] += 1
            where = f"{record.partition}:{record.offset}"
            what = f"{letter.stage:8} {letter.error[:100]}"
            click.echo(f"{where:>9}  {letter.time:%Y-%m-%d %H:%M:%S}  {printable(what)}")

    asyncio.run(go())
    click.echo(printable(f"{counts.total()} dead letters" + "".join(f", {stage} {n}" for stage, n in counts.items())))


@command.command()
@click.argument("where", metavar="PARTITION:OFFSET")
@click.pass_obj
def show(settings: Settings, where: str) -> None:
    """Everything known of one dead letter: why it failed, where it came from, its original bytes."""

    async def go() -> bool:
        async for record, letter in letters(settings, Wanted()):
            if f"{record.partition}:{record.offset}" != where:
                continue
            topic, partition, offset = letter.source
            click.echo(f"failed in    {printable(letter.stage)}, attempt {letter.attempts}, {letter.time.isoformat()}")
            click.echo(f"because      {printable(letter.error)}")
            click.echo(f"came from    {printable(topic)} partition {partition} offset {offset}")
            click.echo(printable(f"processed by crisis-stream {letter.program}, model {letter.model or 'none'}"))
            for name, value in letter.original_headers:
                click.echo(f"header       {printable(name)}: {value!r}")
            for part, said in letter.left_out:
                click.echo(f"too large    {part} ({printable(said)}): look where it came from")
            click.echo(f"key          {record.key!r}")
            click.echo(f"value        {printable((record.value or b'').decode('utf-8', 'backslashreplace'))}")
            return True
        return False

    if not asyncio.run(go()):
        raise click.ClickException(f"no dead letter at {where}; `list` shows where they are")


@command.command()
@_filters
@click.option(
    "--max-attempts", type=click.IntRange(1), default=3, show_default=True, help="leave those that failed so often"
)
@click.option("--dry-run", is_flag=True, help="only count")
@click.pass_obj
def redrive(settings: Settings, /, max_attempts: int, dry_run: bool, **filters: Any) -> None:
    """Send the originals back to the feed with their attempts counted; the dead letters stay where they are."""
    done = asyncio.run(send_again(settings, _wanted(**filters), max_attempts=max_attempts, dry_run=dry_run))
    would = "would be " if dry_run else ""
    click.echo(f"{done.sent} {would}sent to {settings.topics.posts}, {done.worn} left: tried too often")
    if done.partial:
        click.echo(f"{done.partial} left: parts of them were too large for {settings.topics.dead_letters}; see `show`")


class Redriven(NamedTuple):
    """How many originals were sent, had failed too often, and were not whole in their dead letter."""

    sent: int
    worn: int
    partial: int = 0


async def send_again(settings: Settings, wanted: Wanted, *, max_attempts: int, dry_run: bool = False) -> Redriven:
    """Re-drive the latest failure of each original that is whole and has not failed too often.

    All go in one transaction, so an interrupted re-drive sent nothing. What went through at last has no later failure:
    a re-drive that its first failure still fits sends it once more, and its event has the same id again.
    """
    from aiokafka import AIOKafkaProducer

    from stream_app.kafka.clients import explained, producer_options, started

    latest: dict[str, tuple[Any, DeadLetter]] = {}
    async for record, letter in letters(settings, wanted):
        if letter.first not in latest or letter.attempts > latest[letter.first][1].attempts:
            latest[letter.first] = record, letter
    whole = [(record, letter) for record, letter in latest.values() if not letter.left_out]
    again = [(record, letter) for record, letter in whole if letter.attempts < max_attempts]
    if not dry_run and again:
        name = f"{settings.topics.prefix}redrive"
        producer = AIOKafkaProducer(**producer_options(settings.kafka), transactional_id=name)
        async with explained(settings.kafka), started(producer), producer.transaction():
            for record, letter in again:
                headers = [
                    *letter.original_headers,
                    (ATTEMPTS, str(letter.attempts).encode()),
                    (FIRST, letter.first.encode()),
                ]
                await producer.send(settings.topics.posts, record.value or b"", key=record.key, headers=headers)
    return Redriven(len(again), len(whole) - len(again), len(latest) - len(whole))


async def letters(settings: Settings, wanted: Wanted) -> AsyncIterator[tuple[Any, DeadLetter]]:
    """The dead letters there are now, with the Kafka records that hold them; anything else there is told and passed."""
    from aiokafka import AIOKafkaConsumer

    from stream_app.kafka.clients import consumer_options
    from stream_app.kafka.subscribe import ends_of, partitions_of, reached

    partitions = await partitions_of(settings, [settings.topics.dead_letters])
    async with AIOKafkaConsumer(
        **consumer_options(settings.kafka),
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="earliest",
    ) as consumer:
        consumer.assign(partitions)
        ends = await ends_of(settings.kafka, partitions)
        while not await reached(consumer, ends):
            for records in (await consumer.getmany(timeout_ms=200)).values():
                for record in records:
                    try:
                        letter = read_dead_letter(record.headers)
                    except ValueError as error:
                        where = f"{record.partition}:{record.offset}"
                        click.echo(f"skipped {where}, which cannot be read: {printable(str(error))}", err=True)
                        continue
                    if wanted.admits(letter):
                        yield record, letter


def _wanted(
    stage: str | None = None, reason: str | None = None, since: datetime | None = None, until: datetime | None = None
) -> Wanted:
    return Wanted(
        stage, reason, since.replace(tzinfo=UTC) if since else None, until.replace(tzinfo=UTC) if until else None
    )
