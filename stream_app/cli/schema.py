"""``crisis-stream schema``: what the topics hold, for other programs."""

from __future__ import annotations

import json

import click
import yaml

from stream_app.schema.asyncapi import asyncapi
from stream_app.schema.json_schema import SCHEMAS, json_schema
from stream_app.settings import Settings


@click.command("schema")
@click.argument("what", type=click.Choice([*SCHEMAS, "asyncapi"]))
def command(what: str) -> None:
    """Print the JSON Schema of one topic's values, or one AsyncAPI 3.0 document of all topics.

    posts is our own format; docs/formats.md has the networks' formats, which the feed topic takes as well. dead-letters
    describes headers: the value is the original message.
    """
    if what == "asyncapi":
        click.echo(asyncapi_yaml(Settings()), nl=False)
    else:
        click.echo(json.dumps(json_schema(what), indent=2, ensure_ascii=False))


def asyncapi_yaml(settings: Settings) -> str:
    """The AsyncAPI document as YAML, for the topic names in the settings."""
    document = asyncapi(settings.topics)
    return "# Made by `crisis-stream schema asyncapi`; do not edit.\n" + yaml.dump(
        document, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120
    )


class _Plain(yaml.SafeDumper):
    """YAML without anchors, which people trip over."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        return True
