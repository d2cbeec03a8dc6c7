"""``crisis-stream incidents``: keeps the table of incidents."""

from __future__ import annotations

import asyncio

import click

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.kafka.clients import execute
from stream_app.kafka.topics import ensure_topics
from stream_app.settings import Settings


@click.command()
@bootstrap_option
@prefix_option
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
def command(bootstrap: str | None, prefix: str | None, log_level: str) -> None:
    """Gather labelled events into incidents until stopped (Ctrl-C), and publish each whenever it changes.

    It also counts analysts' verdicts; `crisis-stream feedback counts` shows them.

    Its memory is a Kafka changelog: stop and start it where you like. Start several and one groups while all sift.
    """
    from stream_app.incidents.app import build_app

    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    asyncio.run(ensure_topics(settings))
    import faust

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = faust.Worker(build_app(settings), loop=loop, loglevel=log_level, redirect_stdouts=False, console_port=0)
    click.echo(f"Gathering {settings.topics.events} into {settings.topics.incidents}  (Ctrl-C stops it)", err=True)
    worker.spinner = None  # Faust draws one even into a file
    execute(worker)
