"""Short and long forms of the programs that kill brokers and widen the feed."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.kafka


def run(logs, *arguments, bootstrap=None):
    where = ["--bootstrap", bootstrap] if bootstrap else []
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", "chaos", *where, "--logs", str(logs), *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "nothing lost, nothing twice" in done.stdout


def test_short_widen(broker, tmp_path):
    run(tmp_path, "widen", "--posts", "1000", "--noticed-s", "0.5", bootstrap=broker.bootstrap_servers)


@pytest.mark.long  # three brokers take half a minute to start and to find one another again
def test_three_brokers(tmp_path):
    run(tmp_path, "three-brokers", "--posts", "1500", "--rounds", "1")
