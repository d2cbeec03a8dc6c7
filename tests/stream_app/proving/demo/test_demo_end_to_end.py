"""The demo as its users run it: one command, real Kafka, every line accounted for, nothing left behind."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from stream_app.pipeline.posts.parse import NotAPost, PostError, parse_post
from stream_app.proving.demo.history import history

pytestmark = pytest.mark.kafka


def what_lines_are() -> Counter[str]:
    kinds: Counter[str] = Counter()
    for line in history("http://127.0.0.1:1"):
        try:
            kinds[parse_post(line).kind] += 1
        except NotAPost:
            kinds["control"] += 1
        except PostError:
            kinds["poison"] += 1
    return kinds


def run_demo(folder: Path, *arguments: str) -> str:
    # A terminal wide enough that no row of the summary is broken into two.
    environment = {**os.environ, "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", "demo", "--once", "--model", "fixed", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def counts(output: str) -> dict[str, int]:
    rows = re.findall(r"^│ +(\S.*?) +│ +(\d+) +│$", output, flags=re.MULTILINE)
    return {name: int(count) for name, count in rows}


def still_running(folder: Path) -> list[str]:
    """Commands that were started in ``folder`` and live on."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").resolve() == folder.resolve():
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:  # it ended, or is another user's
            continue
    return found


def test_once_every_line_is_an_event_a_dead_letter_or_a_control_line(tmp_path):
    lines = what_lines_are()
    output = run_demo(tmp_path)
    found = counts(output)
    assert found["lines sent"] == lines.total()
    assert found["control lines skipped"] == lines["control"] > 0
    assert found["dead letters"] == lines["poison"] > 0
    assert found["labelled events"] == lines.total() - lines["control"] - lines["poison"]
    assert found["of these reposts and copies"] >= lines["repost"] > 0
    assert found["alerts: informativeness"] > 0
    assert found["incidents"] > 0
    assert "http://127.0.0.1:" in output
    assert still_running(tmp_path) == []


@pytest.mark.shared
def test_real_posts_are_read_back_with_their_accuracy(tmp_path, shared):
    from stream_app.proving.demo.real import test_rows

    output = run_demo(tmp_path, "--data", str(shared))
    posts = len(test_rows(shared))
    assert counts(output)["labelled events"] == posts
    assert f"What subscribers read, {posts} real posts with photos" in output
    judged = re.search(r"For review: (\d+) of (\d+)\. People put text and photo of (\d+) into", output)
    assert judged is not None, output
    assert 0 < int(judged[3]) < int(judged[2]) <= posts
    for concept in ("informativeness", "humanitarian", "damage"):
        figures = r"│ +[01]\.\d\d\d " * 3
        assert re.search(rf"^│ {concept} +│ [\w ]+│ +\d+ {figures}│$", output, flags=re.MULTILINE), output
    assert still_running(tmp_path) == []
