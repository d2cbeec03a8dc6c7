"""The worker's options are told of."""

from click.testing import CliRunner

from stream_app.cli.worker import command


def test_help_names_every_option():
    said = CliRunner().invoke(command, ["--help"]).output
    for option in ("--bootstrap", "--prefix", "--group", "--replica", "--model", "--http-port", "--once-idle"):
        assert option in said
