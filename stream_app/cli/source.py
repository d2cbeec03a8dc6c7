"""``crisis-stream source``: takes posts from a network's own stream into the feed topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from stream_app.cli.options import Moment, bootstrap_option, prefix_option, with_options
from stream_app.settings import Settings

if TYPE_CHECKING:
    from stream_app.sources.frame import Network


@click.group()
@bootstrap_option
@prefix_option
@click.option("--name", help="keeps this source's place apart from others'  [default: the network]")
@click.option("--http-port", type=click.IntRange(0, 65535), help="health, readiness and metrics; 0 picks a free port")
@click.option(
    "--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), default="INFO", show_default=True
)
@click.pass_context
def command(
    context: click.Context,
    bootstrap: str | None,
    prefix: str | None,
    name: str | None,
    http_port: int | None,
    log_level: str,
) -> None:
    """Take posts from a network into the feed topic, untouched, until SIGTERM or Ctrl-C.

    What is taken (words, languages, boxes, hosts, tokens) is said by the settings under "sources". The place reached is
    kept in Kafka in the same transactions as the posts: after a kill -9 the same command goes on where it was.
    """
    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.ERROR)
    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    given = {key: value for key, value in {"name": name, "http_port": http_port}.items() if value is not None}
    sources = type(settings.sources)(**{**settings.sources.__dict__, **given})
    context.obj = settings.model_copy(update={"sources": sources})


@command.command()
@click.option(
    "--since", type=Moment(), help="where the first start begins, within what Jetstream keeps  [default: now]"
)
@click.pass_obj
def bluesky(settings: Settings, since: datetime | None) -> None:
    """Bluesky's posts, reposts and deletions, from Jetstream."""

    def make() -> Network:
        from stream_app.sources.bluesky import Bluesky

        return Bluesky(settings.sources.bluesky, since)

    _run(settings, make)


@command.command()
@click.pass_obj
def mastodon(settings: Settings) -> None:
    """The public timelines and hashtags of a Mastodon server, by its streaming API."""

    def make() -> Network:
        from stream_app.sources.mastodon import Mastodon

        return Mastodon(settings.sources.mastodon)

    _run(settings, make)


@command.command()
@click.pass_obj
def x(settings: Settings) -> None:
    """X's filtered stream, its rules made to match what is wanted."""

    def make() -> Network:
        from stream_app.sources.x import X

        return X(settings.sources)

    _run(settings, make)


def _run(settings: Settings, make: Callable[[], Network]) -> None:
    from stream_app.kafka.window import BrokenOffError
    from stream_app.sources.frame import SourceError

    try:
        asyncio.run(_feed(settings, make))
    except BrokenOffError as error:
        raise click.ClickException(f"{error}. What was committed is kept; the same command goes on after it") from error
    except SourceError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(str(error.strerror or error)) from error


async def _feed(settings: Settings, make: Callable[[], Any]) -> None:
    from stream_app.kafka.ending import end_on_signals
    from stream_app.kafka.topics import ensure_topics
    from stream_app.sources.metrics import Metrics
    from stream_app.sources.run import Source

    logging.getLogger("aiokafka.producer.sender").setLevel(logging.CRITICAL)  # what it logs with a traceback, it raises
    stop = asyncio.Event()
    end_on_signals(stop.set, settings.worker.drain_timeout_s)
    await ensure_topics(settings)
    network = make()
    try:
        metrics, own = Metrics(settings.sources.name or network.name), settings.sources
        async with metrics.served(own.http_host, own.http_port) as port:
            logging.getLogger(__name__).info("health, readiness and metrics at http://%s:%d", own.http_host, port)
            await Source(settings, network, metrics).run(stop)
    finally:
        await network.close()
