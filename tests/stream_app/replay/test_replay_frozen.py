"""A Kafka that is frozen past the transaction timeout ends the replay in one line; it is resumed exactly."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest
from commands import Command

from stream_app.kafka.broker import LocalBroker, local
from stream_app.kafka.subscribe import EPOCH, subscribe

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory):
    """A Kafka that looks for transactions past their time all the while; by default it does every ten seconds."""
    addresses = local._addresses
    extra = "transaction.abort.timed.out.transaction.cleanup.interval.ms=100\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "_addresses", lambda *given: addresses(*given) + extra)
        with LocalBroker(tmp_path_factory.mktemp("kafka")) as running:
            yield running


def command(settings, *arguments, timeout_s=4):
    """``crisis-stream replay`` with a short transaction timeout, though more than a busy machine takes."""
    environment = {
        "CRISIS_STREAM_KAFKA__TRANSACTION_TIMEOUT_S": str(timeout_s),
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
    }
    at = ("--bootstrap", settings.kafka.bootstrap_servers)
    return Command("replay", *at, "--quiet", *arguments, environment=environment)


async def freeze(broker, seconds):
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(broker.pid, signal.SIGCONT)


async def test_the_command_ends_in_one_line_and_resume_is_exact(settings, broker, collect, tmp_path):
    path, begin = tmp_path / "a.jsonl", datetime(2026, 1, 1, tzinfo=UTC)
    post = {"network": "other", "text": "x"}
    posts = [{**post, "id": str(n), "created_at": str(begin + timedelta(seconds=n))} for n in range(2000)]
    path.write_text("".join(json.dumps(post) + "\n" for post in posts))
    running = command(settings, path, "--speed", "100")
    first = asyncio.ensure_future(anext(subscribe(settings, [settings.topics.posts], since=EPOCH)))
    while not first.done():
        assert running.poll() is None, running.communicate()
        await asyncio.sleep(0.05)
    while running.poll() is None:  # where Kafka reads the commit before it looks at its clock, all is well: once more
        await freeze(broker, 6)
        await asyncio.sleep(0.5)
    out, err = running.communicate()
    assert (running.returncode, out) == (1, "")
    (line,) = err.splitlines()
    assert "frozen or out of reach for over kafka.transaction_timeout_s (4 s)" in line
    assert "the same command with --resume goes on" in line
    rest = command(settings, path, "--resume", timeout_s=30)
    out, err = await asyncio.to_thread(rest.communicate)
    assert (rest.returncode, err) == (0, "")
    assert 0 < int(out.split()[1].replace(",", "")) < 2000
    found = [record.value for record in await collect(settings.topics.posts)]
    assert sorted(found) == sorted(path.read_bytes().splitlines())
