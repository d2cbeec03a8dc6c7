"""Short forms of the programs that CI runs, and the long ones for those who have minutes."""

import subprocess
import sys

import pytest
from click.testing import CliRunner

from stream_app.chaos.truth import Truth
from stream_app.cli.chaos import command

pytestmark = pytest.mark.kafka


def run(broker, logs, *arguments, own_broker=False):
    where = [] if own_broker else ["--bootstrap", broker.bootstrap_servers]
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", "chaos", *where, "--logs", str(logs), *arguments],
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


SHORT = [
    ["kill", "--kills", "3", "--posts", "1500", "--workers", "2"],
    ["poison", "--count", "200"],
    ["rebalance", "--posts", "1200", "--rounds", "1"],
    ["bisect", "--posts", "400", "--bad", "5"],
    ["drain", "--posts", "4000"],
    ["slow-host", "--posts", "100"],
]


@pytest.mark.parametrize("arguments", SHORT, ids=lambda arguments: arguments[0])
def test_short(broker, tmp_path, arguments):
    assert "nothing lost, nothing twice" in run(broker, tmp_path, *arguments)


def test_short_broker_outage(broker, tmp_path):
    run(broker, tmp_path, "broker", "--posts", "600", "--down-s", "2", own_broker=True)


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_long_kill(broker, tmp_path, workers):
    run(broker, tmp_path, "kill", "--workers", workers)


@pytest.mark.long
def test_long_soak(broker, tmp_path):
    run(broker, tmp_path, "soak")


async def test_the_checker_sees_what_is_lost_twice_or_astray(settings):
    truth = Truth(settings)
    truth.events.update({"a": 1, "b": 2, "d": 1})
    verdict = truth.verdict(["a", "b", "c"], ["d"])
    await truth._consumer.stop()
    assert (verdict.figures["lost"], verdict.figures["duplicates"]) == (1, 1)
    assert len(verdict.wrong) == 3


def test_stopping_somebody_elses_kafka_is_refused(tmp_path):
    said = CliRunner().invoke(command, ["--bootstrap", "x:1", "--logs", str(tmp_path), "broker"])
    assert said.exit_code == 2
    assert "leave out --bootstrap" in said.output
