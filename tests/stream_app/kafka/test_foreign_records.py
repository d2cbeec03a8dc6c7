"""What somebody else put into our topics: every reader says so, lives on and finds all that lies behind it."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from cap_helpers import incident_of
from click.testing import CliRunner
from factories import headers_of, make_event

from stream_app.dashboard.follow import follow_decisions, follow_emerging, follow_incidents, follow_posts
from stream_app.dashboard.state import DashboardState
from stream_app.decisions.act import Claim, Decision, Mute
from stream_app.decisions.store import read_decisions
from stream_app.feedback.store import read_events, read_verdicts
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.app import not_ahead
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.incidents.store import read_incidents
from stream_app.kafka.clients import producer_options
from stream_app.kafka.subscribe import EPOCH, received_of
from stream_app.notify.outbox import outbox
from stream_app.notify.reader import Reader
from stream_app.notify.rules import Rules
from stream_app.pipeline.posts.moment import LAST
from stream_app.settings import DashboardSettings, IncidentSettings, NotifySettings

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
JUNK = (
    None, b"", b"\xff\xfe\x00", b"null", b"[]", b"{}", b"NaN", b"[" * 5000, b'{"id": "' + b"x" * 300_000, b'{"id": 1}',
)  # fmt: skip
EVENT = make_event("p1", "Water over the quay", damage="severe_damage", photos=["ff00ff00ff00ff00"], author="A")
INCIDENT = incident_of(2).incident
EMERGING = Emerging(
    id="word:quay", kind="word", term="quay", posts=3, authors=2, expected=0.1, score=4.0, since=NOW, at=NOW
)
CLAIM = Decision(incident=INCIDENT.id, act=Claim(), by="ada")
VERDICT = Verdict(event=EVENT.id, labels={"damage": "mild_damage"}, analyst="ada")


def odd(good, **changes) -> bytes:
    """A value that may pass for one of ours, with a field that we do not know and no JSON has."""
    return json.dumps({**good.model_dump(mode="json"), "new": float("nan"), **changes}).encode()


NAIVE = odd(INCIDENT, id="naive", first_seen="2026-01-01T00:00:00", last_seen="9999-12-31T23:00:00-11:00")
UNHASHED = make_event("p2", "Roofs gone", damage="severe_damage", photos=["no hash"], author="B")
FAR = odd(UNHASHED, timings={"produced_at": "9999-12-31T23:59:59Z"})


async def put(settings) -> None:
    """Into each topic junk, what looks like ours, and at the end one of ours."""
    topics = settings.topics
    alerts, compacted = topics.alerts("damage"), (topics.incidents, topics.emerging)
    contents = {
        topics.events: [FAR, odd(EVENT, id="nan").replace(b"0.9", b"NaN")],
        alerts: [FAR],
        topics.incidents: [NAIVE, odd(INCIDENT, id="nan", severity_score=float("nan"))],
        topics.decisions: [odd(Decision(incident="x", act=Mute(until=NOW), by="b")).replace(b"+00:00", b"")],
        topics.emerging: [odd(EMERGING, score=float("inf")), odd(EMERGING, id="word:far", since="0001-01-01T00:00:00")],
        topics.feedback: [odd(VERDICT, labels={"damage": "none of ours"})],
        topics.dead_letters: [],
    }
    last = {topics.events: EVENT, alerts: EVENT, topics.incidents: INCIDENT, topics.decisions: CLAIM,
            topics.emerging: EMERGING, topics.feedback: VERDICT}  # fmt: skip
    stranger = [("ce_id", b"\xff"), ("ce_type", b""), ("dl-stage", b"\x1b[31m" * 1000)]
    async with AIOKafkaProducer(**producer_options(settings.kafka)) as producer:
        for topic, values in contents.items():
            for n, value in enumerate((*JUNK, *values)):
                key = (b"k", b"\xff", b"" if topic in compacted else None)[n % 3]
                await producer.send(topic, value, key=key, headers=stranger * (n % 2), partition=0)
            if good := last.get(topic):
                value = good.model_dump_json().encode()
                headers = headers_of(EVENT) if good is EVENT else []
                await producer.send(topic, value, key=b"good", headers=headers, partition=0)


@pytest.mark.kafka
async def test_every_reader_lives_on(settings, monkeypatch):
    await put(settings)
    assert set(await read_incidents(settings)) == {"naive", INCIDENT.id}
    assert [each.by for each in await read_decisions(settings)] == ["b", "ada"]
    assert [each.event for each in await read_verdicts(settings)] == [EVENT.id]
    assert set(await read_events(settings, [EVENT.id, UNHASHED.id])) == {EVENT.id, UNHASHED.id}
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", settings.topics.prefix)
    for words, said in (
        ("watch events --no-follow --format jsonl", EVENT.id),
        ("watch alerts.damage --no-follow --format cap", "<alert"),
        ("watch incidents --no-follow --format geojson", INCIDENT.id),
        ("watch emerging --no-follow", "quay"),
        ("feedback list", "ada"),
        ("incident list --all", INCIDENT.id[:8]),
        ("dead-letters list", ""),
    ):
        name, *arguments = words.split()
        command = import_module(f"stream_app.cli.{name.replace('-', '_')}").command
        done = await asyncio.to_thread(CliRunner().invoke, command, arguments)
        assert done.exit_code == 0, f"{words}: {done.output}"
        assert said in done.stdout, words
        assert "\x1b" not in done.output, words
        if "json" in words:
            [json.loads(line, parse_constant=pytest.fail) for line in done.stdout.splitlines()]
    await shown(settings)
    await told(settings)


async def shown(settings) -> None:
    state = DashboardState(DashboardSettings())
    reading = [
        asyncio.create_task(follow(settings, state))
        for follow in (follow_posts, follow_incidents, follow_decisions, follow_emerging)
    ]
    try:
        async with asyncio.timeout(60):
            while not (
                state.knows(EVENT.id)
                and state.board().work(INCIDENT.id).owner == "ada"
                and INCIDENT.id in state.incidents()
                and state.counts["dead_letters"] == len(JUNK)
                and any(card["verdict"] for card in state.snapshot()["cards"])
                and len(state.stats()["emerging"]) == 2
            ):
                assert not any(task.done() for task in reading)
                await asyncio.sleep(0.05)
    finally:
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    json.dumps(state.snapshot(), allow_nan=False)


async def told(settings) -> None:
    asked = {
        "channel": [{"name": "desk", "webhook": "http://127.0.0.1:1/hook"}],
        "rule": [{"name": "r", "on": "alerts", "channels": ["desk"], "count": 2}, {"name": "i", "channels": ["desk"]}],
    }
    settings = settings.model_copy(update={"notify": NotifySettings.model_validate(asked)})
    async with outbox(settings) as box:
        reader = Reader(settings, Rules(settings.notify), box)
        reading = asyncio.create_task(reader.run(EPOCH))
        try:
            async with asyncio.timeout(60):
                while {notice.subject for notice in box.open} < {"naive", INCIDENT.id}:
                    assert not reading.done()
                    await asyncio.sleep(0.05)
        finally:
            reading.cancel()
            with suppress(asyncio.CancelledError):
                await reading


def test_a_record_whose_time_is_in_no_calendar_is_of_long_ago():
    record = ConsumerRecord("t", 0, 0, 2**62, 0, None, b"", None, 0, 0, ())
    assert received_of(record).timestamp == EPOCH


def test_an_event_from_a_clock_far_ahead_is_of_now():
    """Else incidents would close and forget all that they have at once."""
    far = EVENT.model_copy(update={"timings": EVENT.timings.model_copy(update={"produced_at": LAST})})
    assert not_ahead(far, NOW).timings.produced_at == NOW
    assert not_ahead(EVENT, NOW) is EVENT


def test_a_photo_whose_hash_is_none_is_a_photo_without_one():
    assert [photo.hash for photo in sighting_of(UNHASHED, IncidentSettings()).photos] == [None]
    assert [photo.hash for photo in sighting_of(EVENT, IncidentSettings()).photos] == ["ff00ff00ff00ff00"]


def test_times_without_an_offset_are_utc_and_those_at_the_ends_can_be_reckoned_with():
    naive = Incident.model_validate_json(NAIVE)
    assert naive.first_seen == datetime(2026, 1, 1, tzinfo=UTC)
    assert naive.last_seen.astimezone(UTC).year == 9999
