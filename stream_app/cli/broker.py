"""``crisis-stream broker``: a real Kafka for development."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from stream_app.kafka.broker import BrokerError, LocalBroker


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=9092, show_default=True, help="0 picks a free one")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("var/kafka"),
    show_default=True,
    help="folder that keeps its data between runs",
)
def command(port: int, data: Path) -> None:
    """Run a real Apache Kafka on this machine until Ctrl-C: one broker, loopback only, no Docker.

    The first run downloads Kafka (45 MB) into the user's cache folder.
    """
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    broker = LocalBroker(data, port)
    try:
        with broker:
            click.echo(f"Kafka: {broker.bootstrap_servers}  data: {data}  (Ctrl-C stops it)")
            broker.wait()
    except BrokerError as error:
        raise click.ClickException(str(error)) from error
    except KeyboardInterrupt:
        click.echo("Kafka stopped")
