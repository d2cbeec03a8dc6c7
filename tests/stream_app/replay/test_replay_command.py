"""What the replay command refuses, and how it says so."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from stream_app.cli.replay import command


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name either FILES or --from-topic"),
        (["FILE", "--from-topic", "t"], "name either FILES or --from-topic"),
        (["FILE", "--since", "2026-01-01"], "--since and --until are for --from-topic"),
        (["FILE", "--speed", "0"], "'0' is neither 'max' nor a number above 0"),
        (["FILE", "--speed", "inf"], "neither 'max' nor a number"),
        (["FILE", "--speed", "fast"], "neither 'max' nor a number"),
        (["--from-topic", "t", "--since", "yesterday"], "'yesterday' is no time; write it like"),
        (["--from-topic", "crisis.posts"], "crisis.posts would be replayed into itself"),
        (["nowhere.jsonl"], "'nowhere.jsonl' does not exist"),
    ],
)
def test_wrong_usage_is_explained(tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "posts.jsonl"
    file.write_text("{}\n")
    result = CliRunner().invoke(command, [str(file) if each == "FILE" else each for each in arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
