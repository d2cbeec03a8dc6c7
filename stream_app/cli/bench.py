"""``crisis-stream bench``: measures speed as ratios, side by side in one run."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from contextlib import ExitStack
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from stream_app.proving.bench.measures import MEASURES, SHORT, Bench, Measured
from stream_app.proving.bench.pace import ContenderError
from stream_app.proving.bench.stream import photo_host
from stream_app.settings import KafkaSettings


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="measure only this; may be repeated")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="medians are taken over these")
@click.option("--short", is_flag=True, help="a minute's run without a model, to see that the harness works")
@click.option("--bootstrap", metavar="HOST:PORT", help="measure on this Kafka; by default one is started for the run")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="write the results here too")
def command(only: tuple[str, ...], rounds: int, short: bool, bootstrap: str | None, json_path: Path | None) -> None:
    """Measure the worker beside its own model, beside rivals doing equal work, and beside the machine's limit.

    Ratios travel between machines, posts a second do not. Measure on a quiet machine: the load is printed first.
    """
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic's leaders are not known at once
    console = Console()
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"{os.cpu_count()} cores, load average {load}")
    with ExitStack() as stack:
        if bootstrap is None:
            from stream_app.kafka.broker import LocalBroker

            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crisis-bench-"))
            bootstrap = stack.enter_context(LocalBroker(Path(folder))).bootstrap_servers
        names = only or (SHORT if short else tuple(MEASURES))
        results = asyncio.run(_measure(KafkaSettings(bootstrap_servers=bootstrap), names, rounds, short, console))
    console.print(_table(results))
    if json_path:
        json_path.write_text("".join(f"{result.as_json()}\n" for result in results))


async def _measure(
    kafka: KafkaSettings, names: tuple[str, ...], rounds: int, short: bool, console: Console
) -> list[Measured]:
    results = []
    async with photo_host() as photos_at:
        if short:
            bench = Bench(
                kafka, photos_at, "fixed", rounds=1, posts=600, batch_posts=200, slow_posts=50, shell_posts=10_000
            )
        else:
            bench = Bench(kafka, photos_at, rounds=rounds)
        for name in names:
            with console.status(f"measuring {name} ..."):
                try:
                    results.append(await MEASURES[name](bench))
                except ContenderError as error:
                    console.print(f"[red]{name} could not be measured:[/red] {error}")
    return results


def _table(results: list[Measured]) -> Table:
    table = Table("measure", "ratio", "by CPU", "goal", "", "of")
    for result in results:
        verdict = "[green]met[/green]" if result.met else "[yellow]not met[/yellow]"
        cpu = "" if result.cpu is None else f"{result.cpu:.2f}"
        table.add_row(result.name, f"{result.value:.2f}", cpu, result.goal, verdict, result.parts)
    return table
