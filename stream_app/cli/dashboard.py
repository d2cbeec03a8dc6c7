"""``crisis-stream dashboard``: the live map, feed and incidents in a browser."""

from __future__ import annotations

import asyncio

import click

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.dashboard.guard import is_loopback
from stream_app.settings import Settings


@click.command()
@bootstrap_option
@prefix_option
@click.option("--group", help="the workers' consumer group, whose lag is shown  [default: crisis-stream]")
@click.option("--host", help="address to listen on  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free one  [default: 8090]")
@click.option("--allowed-host", multiple=True, help="a name browsers may reach it by, beside localhost; repeatable")
@click.option("--history", type=click.FloatRange(min=0), help="minutes of past events to read first  [default: 60]")
def command(
    bootstrap: str | None,
    prefix: str | None,
    group: str | None,
    host: str | None,
    port: int | None,
    allowed_host: tuple[str, ...],
    history: float | None,
) -> None:
    """Serve the live map, feed, incidents and consumer lag to browsers until stopped.

    Everything it needs is in the package: it works without the internet, and an analyst's browser never
    contacts the hosts that posts point at.
    """
    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix, group=group)
    given = {"host": host, "port": port, "allowed_hosts": allowed_host or None, "history_minutes": history}
    changed = settings.dashboard.model_copy(update={name: v for name, v in given.items() if v is not None})
    if not is_loopback(changed.host):
        if changed.user_header is None:
            click.secho(
                f"Warning: listening on {changed.host}. The dashboard has no login: whoever reaches this port reads "
                "every post, can record verdicts and act on incidents. Put it behind a proxy that asks who they are.",
                fg="yellow",
                err=True,
            )
        if not changed.allowed_hosts:
            click.secho(
                "It answers to localhost and 127.0.0.1 only: name what browsers reach it by with --allowed-host.",
                fg="yellow",
                err=True,
            )
    try:
        asyncio.run(_serve(settings.model_copy(update={"dashboard": changed})))
    except OSError as error:
        raise click.ClickException(
            f"cannot listen on {changed.host}:{changed.port}: {error.strerror or error}. Choose another --port."
        ) from error


async def _serve(settings: Settings) -> None:
    from stream_app.dashboard.server import dashboard
    from stream_app.kafka.ending import end_on_signals

    stop = asyncio.Event()
    end_on_signals(stop.set, settings.worker.drain_timeout_s)
    async with dashboard(settings) as address:
        click.echo(f"Dashboard: {address}  (Ctrl-C stops it)")
        await stop.wait()
