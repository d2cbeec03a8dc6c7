"""``crisis-stream worker``: labels the posts of a feed topic until stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from stream_app.cli.options import bootstrap_option, placement_options, prefix_option, with_options
from stream_app.settings import Settings


@click.command()
@bootstrap_option
@prefix_option
@click.option("--group", help="the consumer group; its workers share the partitions")
@click.option("--replica", help="this worker's name, unique in its group and the same after a restart")
@click.option("--model", help="'default', 'fixed', or a folder of weights")
@placement_options
@click.option("--shadow", help="a second model that is compared, never published")
@click.option("--http-port", type=click.IntRange(0, 65535), help="health, readiness and metrics; 0 picks a free port")
@click.option(
    "--once-idle", type=click.FloatRange(min=0), metavar="SECONDS", help="stop when there was nothing to do for so long"
)
@click.option(
    "--log-level", type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]), default="INFO", show_default=True
)
def command(once_idle: float | None, log_level: str, **chosen: Any) -> None:
    """Label posts and publish events, alerts and dead letters until SIGTERM or Ctrl-C.

    Start as many as the feed has partitions; each needs a --replica of its own. Options not given come from the
    environment or crisis-stream.toml. SIGHUP reads the model again.
    """
    from stream_app.kafka.topics import ensure_topics
    from stream_app.pipeline.labelling.models import SwapError
    from stream_app.pipeline.posts.atlas.own import GazetteerError
    from stream_app.worker.service import run

    settings = with_options(Settings(), **chosen)
    asyncio.run(ensure_topics(settings))
    try:
        run(settings, once_idle_s=once_idle, loglevel=log_level)
    except (SwapError, GazetteerError) as error:
        raise click.ClickException(str(error)) from None
