from __future__ import annotations

from commands import run


def test_fausts_own_command_line_knows_the_agents_and_the_table():
    for name, wanted in (
        ("agents", ["@sift", "@keep", "@count", "crisis.events"]),
        ("tables", ["posts", "verdict_counts"]),
    ):
        done = run("faust", name)
        assert all(each in done.stdout for each in wanted), done
