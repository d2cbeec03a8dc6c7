"""The worker's options are told of."""

import signal
import socket
import subprocess
import sys
import time

import pytest
from click.testing import CliRunner

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
        program = [sys.executable, "-m", "stream_app", "worker", *words, "--model", "fixed", "--http-port", port]
        ended = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "choose another --http-port" in ended.stderr


@pytest.mark.kafka
def test_incidents_draws_nothing_into_a_file(settings, tmp_path):
    words = ["--bootstrap", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
    program = [sys.executable, "-m", "stream_app", "incidents", "--http-port", "0", *words]
    with subprocess.Popen(program, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:
        assert running.stdout is not None
        assert running.stdout.readline().startswith(b"Gathering")
        time.sleep(3)  # in which Faust would turn its spinner
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=30)
    assert not any(byte < 32 and byte != 10 for byte in said), said
