"""``crisis-stream chaos``: kills, stalls and poisons a running stream, then counts what was lost."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from stream_app.proving.chaos import programs
from stream_app.proving.chaos.backlog import backlog
from stream_app.proving.chaos.brokers import three_brokers, widen
from stream_app.proving.chaos.long_posts import long_posts
from stream_app.proving.chaos.slow_hosts import slow_hosts
from stream_app.proving.chaos.soak import soak
from stream_app.proving.chaos.stall import stall
from stream_app.settings import KafkaSettings, Settings, TopicSettings

Program = Callable[..., Awaitable[Any]]


@click.group()
@click.option("--bootstrap", metavar="HOST:PORT", help="a Kafka to use; by default one is started and thrown away")
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), default=Path("var/chaos"), show_default=True)
@click.pass_context
def command(ctx: click.Context, bootstrap: str | None, logs: Path) -> None:
    """Bring real workers into trouble on a real Kafka and count what was lost; exit 1 if anything was.

    Topics get a prefix of their own, so a Kafka that others use is safe.
    """
    logs.mkdir(parents=True, exist_ok=True)
    ctx.obj = bootstrap, logs


def _run(ctx: click.Context, program: Program, *, wants_broker: bool = False, brokers: int = 1, **options: Any) -> None:
    from stream_app.kafka.broker import LocalBroker, LocalCluster
    from stream_app.kafka.topics import ensure_topics

    bootstrap, logs = ctx.obj
    # That Kafka is away or a worker has gone is what these programs bring about; the verdict says how it ended.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    if wants_broker and bootstrap:
        raise click.UsageError("this program stops Kafka, so it only uses one of its own: leave out --bootstrap")

    async def go(address: str, **more: Any) -> Any:
        settings = Settings(
            kafka=KafkaSettings(bootstrap_servers=address, replication_factor=brokers),
            topics=TopicSettings(prefix=f"chaos-{uuid.uuid4().hex[:8]}."),
        )
        await ensure_topics(settings)
        return await program(settings, logs, **options, **more)

    if bootstrap:
        verdict = asyncio.run(go(bootstrap))
    else:
        make = LocalBroker if brokers == 1 else LocalCluster
        with tempfile.TemporaryDirectory(prefix="chaos-kafka-") as folder, make(Path(folder)) as kafka:
            verdict = asyncio.run(go(kafka.bootstrap_servers, **({"kafka": kafka} if wants_broker else {})))
    for name, value in verdict.figures.items():
        click.echo(f"{name.replace('_', ' '):>30}  {value}")
    click.echo(f"{'verdict':>30}  {'; '.join(verdict.wrong) or 'nothing lost, nothing twice'}")
    sys.exit(1 if verdict.wrong else 0)


def _program(program: Program, *, wants_broker: bool = False, brokers: int = 1, **defaults: float | str) -> None:
    """Add one program, its keyword arguments as options with these defaults."""

    def callback(ctx: click.Context, /, **options: Any) -> None:
        _run(ctx, program, wants_broker=wants_broker, brokers=brokers, **options)

    options = [
        click.Option([f"--{option.replace('_', '-')}"], type=type(default), default=default, show_default=True)
        for option, default in defaults.items()
    ]
    run = click.pass_context(callback)
    name = program.__name__.replace("_", "-")
    command.add_command(click.Command(name, params=list(options), callback=run, help=program.__doc__))


_program(programs.kill, kills=50, posts=30_000, workers=2)
_program(programs.poison, count=200, large=20)
_program(programs.broker, wants_broker=True, posts=4000, down_s=5.0)
_program(three_brokers, wants_broker=True, brokers=3, posts=9000, rounds=3)
_program(widen, posts=8000, partitions=8, noticed_s=5.0)
_program(programs.rebalance, posts=6000, rounds=3)
_program(programs.bisect, posts=2000, bad=20)
_program(programs.drain, posts=20_000)
_program(slow_hosts, rate=0, seconds=20.0, hosts=400, deadline_s=2.0, ratio=1.5, lateness_s=1.0)
_program(long_posts, posts=6000, characters=94_000, model="fixed")
_program(stall, posts=2000, stall_s=10.0)
_program(backlog, posts=60_000, fresh=10, model="fixed")
_program(soak, seconds=300.0, rate=150, growth_mb=20.0, model="fixed", longest=4)
