"""The ``crisis-stream`` command line: one file per command, imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from errno import EADDRINUSE
from typing import Any, get_args

import click
from pydantic import ValidationError

from stream_app import __version__
from stream_app.kafka.seldom import say_seldom
from stream_app.render.printable import log_printably

COMMANDS = {
    "worker": "labels the posts of a feed topic until stopped",
    "feed": "says what the lines of a file would become before they are sent",
    "watch": "follows events or alerts: table, JSON lines, GeoJSON, CAP",
    "source": "takes posts from Bluesky, Mastodon or X into the feed",
    "replay": "sends history into a feed topic from files or from Kafka",
    "label": "labels a JSONL file with no Kafka at all",
    "forget": "takes back all events of a post or an author",
    "dead-letters": "lists, explains and re-drives what could not be processed",
    "incidents": "keeps the table of incidents: posts that belong together",
    "incident": "claims, checks, merges, splits and corrects incidents, with a log of who did what",
    "feedback": "records analysts' verdicts and re-fits alert thresholds",
    "notify": "tells people of alerts and incidents by webhook, chat and mail",
    "dashboard": "serves the live map, feed and incidents in a browser",
    "model": "trains, evaluates, compares and describes models",
    "broker": "runs a real Kafka for development",
    "demo": "runs everything on the bundled history",
    "bench": "measures speed as ratios, side by side in one run",
    "chaos": "kills, stalls and poisons a running stream, then counts what was lost",
    "schema": "prints the JSON Schema and AsyncAPI description of the topics",
    "faust": "Faust's own command line for the incident tables",
}


class LazyGroup(click.Group):
    """Finds a command in ``stream_app.cli.<name>`` when it is asked for, so ``--help`` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """The commands in the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command's module; each module names its command ``command``."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"stream_app.cli.{cmd_name.replace('-', '_')}")
        command = module.command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="crisis-stream")
def cli() -> None:
    """Label social-media posts about disasters as they stream through Kafka.

    Settings come from CRISIS_STREAM_* environment variables or a crisis-stream.toml in this folder.
    """


def _beside(place: Sequence[int | str]) -> str:
    """The names that a setting may have where an unknown one stands; a number is a place in a list."""
    from stream_app.settings import Settings

    section: Any = Settings
    for part in place[:-1]:
        section = section.model_fields[part].annotation if isinstance(part, str) else get_args(section)[0]
    return ", ".join(section.model_fields)


def main() -> None:
    """Run the command line; a wrong setting and a Kafka out of reach are explained in a line, without a traceback."""
    log_printably()
    say_seldom()
    try:
        cli.main()
    except ValidationError as error:
        for problem in error.errors():
            where = ".".join(str(part) for part in problem["loc"])
            unknown = problem["type"] == "extra_forbidden"
            said = f"there is none; there are {_beside(problem['loc'])}" if unknown else problem["msg"]
            click.echo(f"crisis-stream: setting {where!r}: {said}", err=True)
        sys.exit(2)
    except Exception as error:
        from tomllib import TOMLDecodeError

        from aiokafka.errors import KafkaError
        from pydantic_settings import SettingsError

        if isinstance(error, SettingsError | TOMLDecodeError):
            file = "crisis-stream.toml: " if isinstance(error, TOMLDecodeError) else ""
            click.echo(f"crisis-stream: settings: {file}{error}", err=True)
            sys.exit(2)
        if isinstance(error, OSError) and error.errno == EADDRINUSE:
            click.echo(f"crisis-stream: {error.strerror}", err=True)
            sys.exit(1)
        if not isinstance(error, KafkaError):
            raise
        from stream_app.kafka.clients import reason

        click.echo(f"crisis-stream: Kafka: {reason(error)}", err=True)
        sys.exit(1)
