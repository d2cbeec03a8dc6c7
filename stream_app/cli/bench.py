"""``crisis-stream bench``: measures speed as ratios, side by side in one run."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from stream_app.cli.options import placement_options
from stream_app.proving.bench.measures import MEASURES, SHORT, Bench, Measured, moment_s
from stream_app.proving.bench.pace import ContenderError
from stream_app.proving.bench.page import is_ours, put, steadiness, table
from stream_app.proving.bench.processor import in_words, machine
from stream_app.proving.bench.stream import photo_host
from stream_app.settings import KafkaSettings, Settings

_WITHOUT_KAFKA = frozenset({"gemm", "encoder", "incidents"})


@click.command()
@click.option("--only", multiple=True, type=click.Choice(list(MEASURES)), help="measure only this; may be repeated")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="medians are taken over these")
@click.option("--short", is_flag=True, help="a minute's run without a model, to see that the harness works")
@placement_options
@click.option("--bootstrap", metavar="HOST:PORT", help="measure on this Kafka; by default one is started for the run")
@click.option("--json", "json_path", type=click.Path(dir_okay=False, path_type=Path), help="write results here as well")
@click.option(
    "--markdown",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="write a table for people here; in a page with its marks, such as docs/performance.md, between them",
)
def command(
    only: tuple[str, ...],
    rounds: int,
    short: bool,
    device: str | None,
    number_format: str | None,
    bootstrap: str | None,
    json_path: Path | None,
    page: Path | None,
) -> None:
    """Measure the worker beside its own model, beside rivals doing equal work, and beside the machine's limit.

    Ratios travel between machines, posts a second do not. Measure on a quiet machine: the load is printed first.
    Each result is printed, and written to the --json file, when it is there.
    """
    from model.serving.placement import placed

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # a new topic's leaders are not known at once
    chosen = Settings().model
    try:
        where, multiplies_in = placed(device or chosen.device, number_format or chosen.number_format)  # type: ignore[arg-type]
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    console = Console()
    on = machine(str(where), "none, no model" if short else multiplies_in)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    console.print(f"{in_words(on)}; load average {load}", highlight=False, soft_wrap=True)
    if page and page.exists() and not is_ours(page):
        raise click.ClickException(f"{page} is there and has no place marked for a table: name a new file")
    names = only or (SHORT if short else tuple(MEASURES))
    if json_path:
        json_path.write_text("")
    with ExitStack() as stack:
        if bootstrap is None and not set(names) <= _WITHOUT_KAFKA:
            from stream_app.kafka.broker import LocalBroker

            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="crisis-bench-"))
            bootstrap = stack.enter_context(LocalBroker(Path(folder))).bootstrap_servers
        kafka = KafkaSettings(bootstrap_servers=bootstrap) if bootstrap else KafkaSettings()
        bench = Bench(kafka, "", rounds=rounds, device=str(where), format=multiplies_in)
        if short:
            bench = Bench(
                kafka,
                "",
                "fixed",
                rounds=1,
                posts=600,
                batch_posts=200,
                slow_posts=50,
                shell_posts=10_000,
                incident_posts=(100, 200),
                device=str(where),
                format=multiplies_in,
            )

        def told(results: list[Measured], varied: float) -> None:
            if json_path:
                json_path.write_text("".join(f"{each.as_json({**on, 'varied': varied})}\n" for each in results))
            if page:
                put(page, table(results, on, load, bench.rounds, varied))

        results = asyncio.run(_measure(bench, names, console, told))
    console.print(_table(results))
    console.print(in_words(on), highlight=False, soft_wrap=True)


async def _measure(
    bench: Bench, names: tuple[str, ...], console: Console, written: Callable[[list[Measured], float], None]
) -> list[Measured]:
    """Each result is ``written`` when it is there, with how much slower the machine's slowest moment between measures
    was than its quickest.
    """
    results = []
    moments, varied = [await asyncio.to_thread(moment_s, bench)], 1.0
    async with photo_host() as photos_at:
        bench = replace(bench, photos_at=photos_at)
        for number, name in enumerate(names, 1):
            began = time.monotonic()
            console.print(f"{time.strftime('%H:%M:%S')} {number} of {len(names)}: {name} begins", highlight=False)
            try:
                result = await MEASURES[name](bench)
            except ContenderError as error:
                console.print(f"[red]{name} could not be measured:[/red] {error}")
                continue
            results.append(result)
            moments.append(await asyncio.to_thread(moment_s, bench))
            varied = max(moments) / min(moments)
            told = f"{name} took {time.monotonic() - began:.0f} s: {result.value:.2f} ({result.goal}), {result.parts}"
            console.print(f"{time.strftime('%H:%M:%S')} {told}", highlight=False, soft_wrap=True)
            written(results, varied)
    console.print(steadiness(varied), highlight=False, soft_wrap=True)
    return results


def _table(results: list[Measured]) -> Table:
    table = Table("measure", "ratio", "by CPU", "goal", "", "of")
    for result in results:
        verdict = "[green]met[/green]" if result.met else "[yellow]not met[/yellow]"
        cpu = "" if result.cpu is None else f"{result.cpu:.2f}"
        table.add_row(result.name, f"{result.value:.2f}", cpu, result.goal, verdict, result.parts)
    return table
