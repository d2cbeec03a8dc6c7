"""Options that several commands share, and how they become settings."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import click

from stream_app.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])

bootstrap_option: Callable[[F], F] = click.option(
    "--bootstrap", metavar="HOST:PORT", help="Kafka's address  [default: the setting kafka.bootstrap_servers]"
)
"""For every command that talks to the Kafka of the settings; ``with_options(Settings(), bootstrap=...)`` obeys it."""


prefix_option: Callable[[F], F] = click.option(
    "--prefix", help="before all topic names, such as drill. for an isolated replay  [default: crisis.]"
)
"""For commands that read or write the product's topics."""


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
