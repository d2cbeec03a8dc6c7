from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from commands import Command
from factories import START, make_event, make_place
from mode.utils.queues import FlowControlQueue

from stream_app.incidents.app import build_app
from stream_app.incidents.emerging import Emerging, Seen
from stream_app.incidents.health import STALL_S, Health
from stream_app.incidents.incident import Incident
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.moment import FIRST
from stream_app.settings import Settings

pytestmark = pytest.mark.kafka


@contextmanager
def running(settings: Settings, *command: str, folder: Path | None = None, port: int = 0) -> Iterator[Command]:
    environment = {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "CRISIS_STREAM_KAFKA__PARTITIONS": "2",
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
        "CRISIS_STREAM_INCIDENTS__PUBLISH_EVERY_S": "0.5",
        "CRISIS_STREAM_EMERGING__PUBLISH_EVERY_S": "0.5",
        "CRISIS_STREAM_INCIDENTS__HTTP_PORT": str(port),
    }
    words = command or ("incidents", "--log-level", os.environ.get("LOG", "warning"))
    process = Command(*words, environment=environment, folder=folder, log=sys.__stderr__)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def send(settings: Settings, events: Sequence[Event], *, commit: bool = True) -> None:
    made = AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"t-{settings.topics.prefix}"
    )
    async with made:
        await made.begin_transaction()
        for event in events:
            await made.send_and_wait(
                settings.topics.events, event.model_dump_json().encode(), key=event.post.root_id.encode()
            )
        await (made.commit_transaction() if commit else made.abort_transaction())


async def until(settings: Settings, posts: int, timeout_s: float = 120.0) -> Incident:
    async with (
        asyncio.timeout(timeout_s),
        contextlib.aclosing(subscribe(settings, [settings.topics.incidents], since=EPOCH)) as stream,
    ):
        async for received in stream:
            incident = Incident.model_validate_json(received.value)
            assert received.key == incident.id == received.headers["ce_subject"]
            if incident.post_count == posts:
                return incident
    raise AssertionError


async def first_emerging(settings: Settings) -> Emerging:
    async with (
        asyncio.timeout(120),
        contextlib.aclosing(subscribe(settings, [settings.topics.emerging], since=EPOCH)) as stream,
    ):
        async for received in stream:
            return Emerging.model_validate_json(received.value)
    raise AssertionError


async def test_events_become_one_incident_that_outlives_a_killed_worker(settings, configured):
    first = [
        make_event("a", author="A", place=make_place()),
        make_event("b", "Roofs gone", author="B", place=make_place(6.95)),
    ]
    photo = "ffff0000ffff0000"
    shown = make_event("old", "Look at this", author="C", photos=[photo], place=make_place(39.5, -0.4, name="Valencia"))
    again = make_event("new", "It is here", author="D", photos=[photo], minutes=3 * 24 * 60)
    repost = make_event("c", root="a", author="A", minutes=3, place=make_place())
    with running(settings) as process:
        await send(settings, [make_event("never", "aborted", author="Z", place=make_place())], commit=False)
        await poison(settings)
        await send(settings, [shown, *first])
        before = await until(settings, 2)
        assert before.author_count == 2
        process.kill()
        process.wait()
    with running(settings):
        await send(settings, [*first, repost])  # the first two for the second time
        after = await until(settings, 3)
        await send(settings, [again])
        seen = await first_emerging(settings)
    assert (seen.id, seen.posts) == (f"photo:{photo}", 1)
    assert seen.first_seen == Seen(at=START, event_id=shown.id, place="Valencia")
    assert (after.id, after.repost_count, after.author_count) == (before.id, 1, 2)
    assert after.version > before.version
    assert {post.id for post in after.posts} == {"a", "b"}
    # What it writes for itself Kafka stamps, whatever the clock of its machine says.
    own = [f"{settings.topics.prefix}crisis-stream-incidents-{name}" for name in ("sightings", "posts-changelog")]
    assert await configured(own, "message.timestamp.type") == dict.fromkeys(own, "LogAppendTime")


@pytest.mark.parametrize("command", [("incidents",), ("faust", "worker", "--without-web")], ids=" ".join)
async def test_it_leaves_nothing_in_the_folder_it_is_started_in(settings, tmp_path, command):
    events = [make_event(text, text, author=text, place=make_place()) for text in ("Water rises", "Roofs gone")]
    with running(settings, *command, folder=tmp_path):
        await send(settings, events)
        await until(settings, 2)
    assert list(tmp_path.iterdir()) == []


async def poison(settings: Settings) -> None:
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as made:
        for value in (b"\xff\xfe", b"{}", json.dumps([]).encode(), None):
            for partition in (0, 1):
                await made.send_and_wait(settings.topics.events, value, key=b"k", partition=partition)


async def test_what_is_on_its_way_to_an_agent_survives_that_faust_resumes_the_flow_twice():
    flow = build_app(Settings()).flow_control
    queue = FlowControlQueue(flow_control=flow, clear_on_resume=True)
    flow.resume()
    queue.put_nowait("read after the seek")
    flow.resume()
    assert queue.qsize() == 1
    flow.suspend()
    flow.resume()
    assert queue.empty(), "read before a rebalance, and read again after it"


async def until_ready(web: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(aiohttp.ClientConnectorError):
                if (await web.get("/readyz")).status == 200:
                    return
            await asyncio.sleep(0.1)


async def test_posts_of_the_first_and_the_last_year_become_incidents_and_the_program_tells_how_it_is(settings):
    """Also after a restart, which reads them back; its port is asked as a supervisor asks."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    old = [make_event(name, name, author=name, place=make_place()) for name in ("Water rises", "Roofs gone")]
    old = [each.model_copy(update={"post": each.post.model_copy(update={"created_at": FIRST})}) for each in old]
    for _ in range(2):
        with running(settings, port=port):
            await send(settings, old)
            assert (await until(settings, 2)).first_seen == FIRST
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as web:
                await until_ready(web)
                assert await (await web.get("/healthz")).text() == "ok\n"
                said = await (await web.get("/metrics")).text()
            assert "crisis_stream_incidents_failures_total 0.0" in said
            assert "crisis_stream_incidents_posts 2.0" in said


def test_a_program_whose_incidents_are_not_looked_through_is_ill():
    app = SimpleNamespace(crashed=False, started=True, crash_reason=None)
    app.tables = SimpleNamespace(recovery=SimpleNamespace(completed=asyncio.Event()))
    health = Health()
    health.watch(app)
    assert health.ill() is None
    assert "read back" in health.unready()
    app.tables.recovery.completed.set()
    assert health.unready() is None
    health._looked_at -= STALL_S + 1
    assert "not looked through" in health.ill()
    health.looked()
    app.crashed = True
    assert "crashed" in health.ill()
