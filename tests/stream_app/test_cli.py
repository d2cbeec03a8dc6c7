"""The command line lists its commands without importing them and explains a wrong setting."""

import subprocess
import sys
from importlib.util import find_spec

import click
import pytest
from click.testing import CliRunner
from commands import run

from stream_app.cli import COMMANDS, cli


@pytest.mark.parametrize("name", COMMANDS)
def test_every_listed_command_exists_and_explains_itself(name):
    assert find_spec(f"stream_app.cli.{name.replace('-', '_')}") is not None
    result = CliRunner().invoke(cli, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage:" in result.output


def test_help_imports_no_command():
    code = (
        "import sys; from stream_app.cli import cli; "
        "cli(['--help'], standalone_mode=False); print('torch' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.rstrip().endswith("False")
    assert all(name in shown for name in COMMANDS)


def test_an_unknown_command_is_refused():
    result = CliRunner().invoke(cli, ["wroker"])
    assert result.exit_code == click.UsageError.exit_code
    assert "wroker" in result.output


@pytest.mark.parametrize(
    ("file", "environment", "said"),
    [
        ("[kafka]\npartitions = 0\n", {}, "kafka.partitions"),
        (
            '[kafka]\nsasl_pasword = "hunter2"\n',
            {},
            "'kafka.sasl_pasword': there is none; there are bootstrap_servers, ",
        ),
        ("nonsense = 1\n", {}, "'nonsense': there is none; there are kafka, topics, "),
        ("", {"CRISIS_STREAM_KAFKKA__SASL_PASSWORD": "hunter2"}, "'kafkka': there is none; there are kafka, topics, "),
        (
            '[[notify.channel]]\nname = "a"\nwebhok = "hunter2"\n',
            {},
            "notify.channel.0.webhok': there is none; there are name, ",
        ),
        ('[kafka]\nsasl_password = ["hunter2"]\n', {}, "kafka.sasl_password"),
        ('[kafka]\nsasl_password = "hunter2\n', {}, "settings: crisis-stream.toml: "),
        ("", {"CRISIS_STREAM_KAFKA": '{"sasl_password": "hunter2"'}, 'settings: error parsing value for field "kafka"'),
    ],
)
def test_a_wrong_setting_is_one_line_without_a_traceback_or_a_secret(tmp_path, file, environment, said):
    (tmp_path / "crisis-stream.toml").write_text(file)
    shown = run("worker", folder=tmp_path, environment=environment)
    assert shown.returncode == 2
    assert said in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert "hunter2" not in shown.stderr
    (tmp_path / "posts.jsonl").touch()
    assert run("feed", "check", "posts.jsonl", folder=tmp_path, environment=environment).stderr == shown.stderr
