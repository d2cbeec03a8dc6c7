"""``crisis-stream notify``: tells people of alerts and incidents."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import click
from aiokafka.errors import KafkaError, ProducerFenced

from stream_app.cli.options import bootstrap_option, prefix_option, since_option, with_options
from stream_app.kafka.clients import reason
from stream_app.kafka.ending import end_on_signals
from stream_app.kafka.topics import ensure_topics
from stream_app.settings import Settings


@click.command()
@bootstrap_option
@prefix_option
@since_option("of the first run only: now, beginning, 15m, 2h or 2026-03-14T09:00; later ones go on  [default: now]")
@click.option("--http-port", type=click.IntRange(0, 65535), help="health, readiness and metrics; 0 picks a free port")
@click.option("--try", "tried", metavar="CHANNEL", help="send this channel one message to see that it gets through")
@click.option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="warning")
def command(
    bootstrap: str | None,
    prefix: str | None,
    since: datetime | None,
    http_port: int | None,
    tried: str | None,
    log_level: str,
) -> None:
    """Tell people of alerts and incidents by webhook, chat and mail until stopped (Ctrl-C).

    Channels and rules stand in crisis-stream.toml; docs/notify.md has examples. What was told to whom is kept in Kafka:
    stop and start it where you like. Start one; a second one takes over from the first.
    """
    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s")
    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    if http_port is not None:
        changed = settings.notify.model_copy(update={"http_port": http_port})
        settings = settings.model_copy(update={"notify": changed})
    if tried is not None:
        _try(settings, tried)
        return
    if not settings.notify.rule:
        raise click.ClickException(
            "nobody is to be told of anything: write a [[notify.channel]] and a [[notify.rule]] into "
            "crisis-stream.toml; docs/notify.md has examples"
        )
    names = ", ".join(channel.name for channel in settings.notify.channel)
    click.echo(f"Telling {names} of what {len(settings.notify.rule)} rules find  (Ctrl-C stops it)", err=True)
    _run(_until_stopped(settings, since), settings)


async def _until_stopped(settings: Settings, since: datetime | None) -> None:
    from stream_app.notify.service import notify

    await ensure_topics(settings)
    work = asyncio.ensure_future(notify(settings, since))
    end_on_signals(work.cancel, settings.worker.drain_timeout_s)
    with suppress(asyncio.CancelledError):
        await work


def _try(settings: Settings, name: str) -> None:
    from stream_app.notify.channels import NotNowError, RefusedError
    from stream_app.notify.notice import Notice
    from stream_app.notify.service import try_channel

    known = [channel.name for channel in settings.notify.channel]
    if name not in known:
        raise click.ClickException(f"no notify.channel {name!r}: there are {', '.join(known) or 'none'}")
    now = datetime.now(UTC)
    notice = Notice(
        key=f"{name}/try/{uuid4().hex}",
        channel=name,
        rule="try",
        kind="alert",
        subject="try",
        title="crisis-stream: a message to try this channel",
        lines=("It gets through. Nothing has happened.",),
        data={"events": []},
        at=now,
        due=now,
    )
    try:
        _run(try_channel(settings, notice), settings)
    except (NotNowError, RefusedError) as error:
        raise click.ClickException(f"{name}: {error}") from error
    click.echo(f"{name} took it.", err=True)


def _run(work: Coroutine[Any, Any, None], settings: Settings) -> None:
    try:
        asyncio.run(work)
    except Exception as error:
        cause = error
        while isinstance(cause, ExceptionGroup):
            cause = cause.exceptions[0]
        if isinstance(cause, ProducerFenced):
            raise click.ClickException("another notify began and has taken over; this one ends") from error
        if isinstance(cause, KafkaError):
            raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {reason(cause)}") from error
        if isinstance(cause, OSError | ValueError):
            raise click.ClickException(str(cause)) from error
        raise
