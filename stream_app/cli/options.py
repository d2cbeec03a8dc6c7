"""Options that several commands share, and how they become settings."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, get_args

import click

from model.load import NumberFormat
from stream_app.kafka.subscribe import EPOCH
from stream_app.settings import Settings

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

F = TypeVar("F", bound=Callable[..., Any])

bootstrap_option: Callable[[F], F] = click.option(
    "--bootstrap", metavar="HOST:PORT", help="Kafka's address  [default: the setting kafka.bootstrap_servers]"
)
"""For every command that talks to the Kafka of the settings; ``with_options(Settings(), bootstrap=...)`` obeys it."""


prefix_option: Callable[[F], F] = click.option(
    "--prefix", help="before all topic names, such as drill. for an isolated replay  [default: crisis.]"
)
"""For commands that read or write the product's topics."""


def parse_since(text: str, now: datetime) -> datetime:
    """``now``, ``beginning``, an age such as ``90s``, ``15m`` or ``7d``, or an ISO 8601 moment (UTC where not said).

    Raises:
        ValueError: none of these.
    """
    if text in ("now", "beginning"):
        return now if text == "now" else EPOCH
    if found := _AGO.fullmatch(text):
        return now - timedelta(**{_UNITS[found[2]]: float(found[1])})
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no moment: say now, beginning, 15m, 2h, 7d or 2026-03-14T09:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parsed_by(parse: Callable[[str], Any]) -> Callable[[click.Context, click.Parameter, str | None], Any]:
    """A callback for an option whose text ``parse`` reads; its ValueError is told to the user."""

    def callback(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
        try:
            return None if text is None else parse(text)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error

    return callback


def since_option(words: str) -> Callable[[F], F]:
    """``--since``, read by :func:`parse_since`."""
    return click.option("--since", callback=parsed_by(lambda text: parse_since(text, datetime.now(UTC))), help=words)


def placement_options(command: F) -> F:
    """For commands that run the model: where, and in which number format."""
    formats = get_args(NumberFormat)
    for option in (
        click.option(
            "--number-format", type=click.Choice(formats), help="what the model multiplies in  [default: the fastest]"
        ),
        click.option("--device", metavar="DEVICE", help="cpu, cuda:0, ...  [default: the first GPU, else the CPU]"),
    ):
        command = option(command)
    return command


class Moment(click.ParamType):
    """A time in ISO 8601; UTC where it names no zone."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The aware time."""
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time; write it like 2026-05-01T12:00:00Z", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def with_options(
    settings: Settings,
    *,
    bootstrap: str | None = None,
    prefix: str | None = None,
    group: str | None = None,
    replica: str | None = None,
    model: str | None = None,
    shadow: str | None = None,
    device: str | None = None,
    number_format: str | None = None,
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
        "model": {"source": model, "shadow": shadow, "device": device, "number_format": number_format},
    }
    sections = {}
    for name, values in given.items():
        section = getattr(settings, name)
        set_values = {key: value for key, value in values.items() if value is not None}
        sections[name] = type(section)(**{**section.__dict__, **set_values})
    return settings.model_copy(update=sections)
