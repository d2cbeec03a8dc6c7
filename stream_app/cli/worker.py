"""``crisis-stream worker``: labels the posts of a feed topic until stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from stream_app.settings import Settings


@click.command()
@click.option("--bootstrap", metavar="HOST:PORT", help="Kafka's address")
@click.option("--prefix", help="prefix of all topic names")
@click.option("--group", help="the consumer group; its workers share the partitions")
@click.option("--replica", help="this worker's name, unique in its group and the same after a restart")
@click.option("--model", help="'default', 'fixed', or a folder of weights")
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
    from stream_app.kafka import ensure_topics
    from stream_app.worker.service import run

    settings = with_options(Settings(), **chosen)
    asyncio.run(ensure_topics(settings))
    run(settings, once_idle_s=once_idle, loglevel=log_level)


def with_options(
    settings: Settings,
    *,
    bootstrap: str | None = None,
    prefix: str | None = None,
    group: str | None = None,
    replica: str | None = None,
    model: str | None = None,
    shadow: str | None = None,
    http_port: int | None = None,
) -> Settings:
    """The settings with the options that were given put in their places, checked like any others.

    Raises:
        pydantic.ValidationError: a value is not allowed.
    """
    given: dict[str, dict[str, Any]] = {
        "kafka": {"bootstrap_servers": bootstrap},
        "topics": {"prefix": prefix},
        "worker": {"group_id": group, "replica": replica, "http_port": http_port},
        "model": {"source": model, "shadow": shadow},
    }
    sections = {}
    for name, values in given.items():
        section = getattr(settings, name)
        set_values = {key: value for key, value in values.items() if value is not None}
        sections[name] = type(section)(**{**section.__dict__, **set_values})
    return settings.model_copy(update=sections)
