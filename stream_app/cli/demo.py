"""``crisis-stream demo``: everything, on the bundled history."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import click


@click.command()
@click.option("--once", is_flag=True, help="end with a summary when the history is through")
@click.option(
    "--data",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="replay real labelled posts with photos from this folder and report how often subscribers read the truth",
)
@click.option("--model", default="default", show_default=True, help="what labels: a shipped model, 'fixed' or a folder")
def command(once: bool, data: Path | None, model: str) -> None:
    """Start a Kafka, a picture host, a worker, the incidents and the dashboard; replay a history and show the result.

    The bundled history is the invented story of one flood, in three languages. It takes three minutes; with --once it
    goes flat out. Logs of the commands are in var/demo. Ctrl-C stops everything.
    """
    from rich.console import Console

    from stream_app.kafka.broker import BrokerError
    from stream_app.proving.demo.run import run
    from stream_app.proving.demo.stage import StageError

    console = Console()
    try:
        with suppress(KeyboardInterrupt, asyncio.CancelledError):
            asyncio.run(run(once=once or data is not None, data=data, model=model, console=console))
    except* (BrokerError, StageError, FileNotFoundError) as problems:
        for problem in problems.exceptions:
            console.print(f"[bold red]demo:[/] {problem}")
        sys.exit(1)
