"""``crisis-stream forget``: makes everything forget a post or an author."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import click

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.settings import Settings


@click.command()
@bootstrap_option
@prefix_option
@click.argument("name", metavar="POST|AUTHOR")
@click.option("--author", is_flag=True, help="it names an author: the network's id, or a key as events have it")
@click.option("--network", type=click.Choice(["x", "bluesky", "mastodon", "other"]), help="where that cannot be told")
@click.option("--reason", default="forgotten on request", show_default=True, help="said in the withdrawals")
@click.option("--dry-run", is_flag=True, help="only say what would be done")
def command(
    bootstrap: str | None, prefix: str | None, name: str, *, author: bool, network: Any, reason: str, dry_run: bool
) -> None:
    """Take back every event of a post with its reposts, or of an author, that Kafka still has.

    POST is an id as events have it (at://..., https://..., X's number), its page, or NETWORK/ID; AUTHOR is did:... or,
    with --author, the network's id of an author or the 16 digits of post.author_key.

    Workers, incidents, dashboards and `watch` forget it at once, subscribers as docs/subscribe.md tells them to. What
    Kafka keeps until the retention of its topics ends is said; docs/privacy.md has the whole.
    """
    from aiokafka.errors import KafkaError

    from stream_app.forget import forget, wanted
    from stream_app.kafka.clients import reason as why

    settings = with_options(Settings(), bootstrap=bootstrap, prefix=prefix)
    secret = settings.posts.author_salt
    try:
        what = wanted(name, author=author, network=network, secret=secret.get_secret_value() if secret else None)
        report = asyncio.run(forget(settings, what, reason, dry_run=dry_run))
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    except KafkaError as error:
        raise click.ClickException(f"Kafka at {settings.kafka.bootstrap_servers}: {why(error)}") from error
    would = "would be " if dry_run else ""
    click.echo(f"{report.events:,} events of {report.posts:,} posts and {report.reposts:,} reposts {would}taken back")
    if report.already:
        click.echo(f"{report.already:,} posts had been withdrawn before")
    for topic, number in sorted(report.topics.items()):
        click.echo(f"  {topic}: {number:,} withdrawals{' would be written' if dry_run else ''}")
    if report.told:
        click.echo(f"  {settings.topics.posts}: workers are told")
    for line in asyncio.run(_kept(settings)):
        click.echo(line)


async def _kept(settings: Settings) -> list[str]:
    """How long Kafka keeps the records themselves, where it says so."""
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
    from aiokafka.errors import KafkaError

    from stream_app.kafka.clients import admin_client

    names = [settings.topics.posts, settings.topics.events, settings.topics.dead_letters]
    told: list[str] = []
    with suppress(KafkaError):
        async with admin_client(settings.kafka) as admin:
            wanted = dict.fromkeys(("retention.ms", "cleanup.policy"))
            asked = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
            for answer in await admin.describe_configs(asked):
                for _, _, _, topic, found in answer.resources:
                    said = {entry[0]: entry[1] for entry in found}
                    told.append(f"  {topic} keeps its records {_for(said)}")
    return [f"Not erased before Kafka lets go of it:\n{told[0]}", *told[1:]] if told else []


def _for(said: dict[str, str]) -> str:
    milliseconds = int(said.get("retention.ms", "-1") or -1)
    if "compact" in said.get("cleanup.policy", ""):
        return "until a later one has their key (compacted)"
    return "for ever" if milliseconds < 0 else f"for {milliseconds / 86_400_000:g} days"
