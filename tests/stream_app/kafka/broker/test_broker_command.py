"""``crisis-stream broker`` prints its address and stops on request."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys

import pytest

COMMAND = [sys.executable, "-m", "stream_app", "broker"]


@pytest.mark.kafka
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_runs_until_stopped(tmp_path, how):
    with subprocess.Popen(
        [*COMMAND, "--port", "0", "--data", str(tmp_path / "kafka")], stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        address = running.stdout.readline().split()[1]
        host, port = address.split(":")
        socket.create_connection((host, int(port)), timeout=5).close()
        running.send_signal(how)
        assert running.wait(30) == 0
        assert "stopped" in running.stdout.read()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=5)


def test_a_taken_port_is_one_line_not_a_traceback(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        done = subprocess.run(
            [*COMMAND, "--port", port, "--data", str(tmp_path)], capture_output=True, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == f"Error: port {port} of 127.0.0.1 is taken by another program; choose another port\n"
