from __future__ import annotations

import subprocess
import sys


def test_fausts_own_command_line_knows_the_agents_and_the_table():
    for name, wanted in (
        ("agents", ["@sift", "@keep", "@count", "crisis.events"]),
        ("tables", ["posts", "verdict_counts"]),
    ):
        command = [sys.executable, "-m", "stream_app", "faust", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert all(each in done.stdout for each in wanted), done.stdout
