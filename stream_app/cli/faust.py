"""``crisis-stream faust``: Faust's own command line for the application that keeps incidents."""

from __future__ import annotations

import click

from stream_app.cli.options import bootstrap_option, prefix_option, with_options
from stream_app.settings import Settings


@click.command(context_settings={"ignore_unknown_options": True}, add_help_option=False)
@bootstrap_option
@prefix_option
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(bootstrap: str | None, prefix: str | None, arguments: tuple[str, ...]) -> None:
    """Pass ARGUMENTS on to Faust, for instance ``agents``, ``tables`` or ``worker --loglevel=info``."""
    from faust.cli.faust import cli

    from stream_app.incidents.app import build_app

    app = build_app(with_options(Settings(), bootstrap=bootstrap, prefix=prefix))
    app.finalize()
    cli(args=list(arguments) or ["--help"], prog_name="crisis-stream faust", app=app)
