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
@click.option("--http-port", type=click.IntRange(0, 65535), help="health, readiness and metrics; 0 picks a free port")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
def command(bootstrap: str | None, prefix: str | None, http_port: int | None, log_level: str) -> None:
    """Gather labelled events into incidents until stopped (Ctrl-C), and publish each whenever it changes.

    It also counts analysts' verdicts; `crisis-stream feedback counts` shows them.

    Its memory is a Kafka changelog: stop and start it where you like. Start several and one groups while all sift.
    """
    from stream_app.incidents.app import build_app
    from stream_app.incidents.health import Health
    from stream_app.probes import Probes

    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    asyncio.run(ensure_topics(settings))
    import faust

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    health, rules = Health(), settings.incidents
    probes = Probes(rules.http_host, rules.http_port if http_port is None else http_port, health, loop=loop)
    worker = faust.Worker(
        build_app(settings, health), probes, loop=loop, loglevel=log_level, redirect_stdouts=False, console_port=0
    )
    click.echo(f"Gathering {settings.topics.events} into {settings.topics.incidents}  (Ctrl-C stops it)", err=True)
    worker.spinner = None  # Faust draws one even into a file
    execute(worker, settings.worker.drain_timeout_s)
