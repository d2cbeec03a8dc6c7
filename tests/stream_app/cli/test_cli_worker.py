"""The worker's options are told of."""

import signal
import socket
import time

import pytest
from click.testing import CliRunner
from commands import Command, run

from stream_app.cli.worker import command


def test_help_names_every_option():
    said = CliRunner().invoke(command, ["--help"]).output
    for option in ("--bootstrap", "--prefix", "--group", "--replica", "--model", "--http-port", "--once-idle"):
        assert option in said


@pytest.mark.kafka
def test_a_busy_port_is_a_line_with_what_to_do(settings, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = ["--bootstrap", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
        ended = run("worker", *words, "--model", "fixed", "--http-port", port, folder=tmp_path)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "choose another --http-port" in ended.stderr


@pytest.mark.kafka
def test_incidents_draws_nothing_into_a_file(settings, tmp_path):
    words = ["--bootstrap", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
    with Command("incidents", "--http-port", "0", *words, folder=tmp_path) as running:
        assert running.stderr.readline().startswith("Gathering")
        time.sleep(3)  # in which Faust would turn its spinner
        running.send_signal(signal.SIGTERM)
        said = "".join(running.communicate(timeout=30))
    assert not any(character < " " and character != "\n" for character in said), said
