"""``notify`` on a real Kafka, killed again and again: people are told once, of what they asked for."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiokafka import AIOKafkaProducer
from commands import Command
from factories import make_event, make_place, running_webhook

from stream_app.decisions.act import Decision, SetStatus
from stream_app.decisions.store import decider
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.sighting import sighting_of
from stream_app.kafka.clients import client_options
from stream_app.notify.notice import Notice
from stream_app.notify.service import notify
from stream_app.settings import IncidentSettings, NotifySettings

pytestmark = pytest.mark.kafka


def incident(name="flood", **changes):
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    event = make_event("p1", "Water over the quay", author="A", place=make_place())
    grouping.add(sighting_of(event, rules))
    (made,) = grouping.changed(event.timings.produced_at)
    return made.model_copy(update={"id": name, "severity": "moderate", **changes})


async def publish(settings, *records):
    """Each a topic and something to dump, keyed by its id."""
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        for topic, value in records:
            await producer.send_and_wait(topic, value.model_dump_json().encode(), key=value.id.encode())


def asking(settings, port, **rule):
    asked = {
        "channel": [{"name": "desk", "webhook": f"http://127.0.0.1:{port}/hook", "timeout_s": 60}],
        "rule": [{"name": "r", "channels": ["desk"], **rule}],
        "http_port": 0,
        "retry_s": 0.05,
    }
    return settings.model_copy(update={"notify": NotifySettings.model_validate(asked)})


@asynccontextmanager
async def telling(settings, since=None):
    """``notify`` in this process; ready when entered."""
    work = asyncio.create_task(notify(settings, since))
    try:
        yield work
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def state_of(collect, settings, key):
    """What the outbox last says of a notice."""
    records = await collect(settings.topics.notices)
    states = [Notice.model_validate_json(each.value) for each in records if each.key == key.encode()]
    return states[-1].state if states else None


async def until(true, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


class Hook:
    """A receiver as the contract asks: what comes again under a key it has is answered and not taken in again."""

    def __init__(self):
        self.calls = []
        self.taken = {}
        self.answers = []  # deeds to do instead of answering, one a call
        self.came = asyncio.Event()

    async def take(self, request):
        key, body = request.headers["Idempotency-Key"], await request.read()
        self.calls.append((key, body))
        self.taken.setdefault(key, []).append(body) if key not in self.taken else None
        self.came.set()
        if self.answers:
            return await self.answers.pop(0)()
        return web.Response()


@pytest.fixture
async def hook():
    receiver = Hook()
    async with running_webhook(receiver.take) as port:
        receiver.port = port
        yield receiver


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
async def test_a_webhook_gets_it_once_however_often_notify_is_killed(settings, hook, collect, tmp_path, kills):
    """Each kill comes at the worst moment: the call has arrived, and its sender dies before it can note so."""
    asked = asking(settings, hook.port).notify
    environment = {
        "CRISIS_STREAM_NOTIFY__CHANNEL": json.dumps([each.model_dump(mode="json") for each in asked.channel]),
        "CRISIS_STREAM_NOTIFY__RULE": json.dumps([each.model_dump(mode="json") for each in asked.rule]),
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
    }
    await publish(settings, (settings.topics.incidents, incident()))

    words = ["notify", "--since", "beginning", "--http-port", "0"]
    for _ in range(kills):
        process = Command(*words, environment=environment, folder=tmp_path)

        async def die(process=process):
            process.kill()
            await asyncio.to_thread(process.wait)
            return web.Response()

        hook.came.clear()
        hook.answers = [die]
        try:
            await asyncio.wait_for(hook.came.wait(), 120)
            await asyncio.to_thread(process.wait, 60)
        finally:
            process.kill()
    key = f"desk/flood/{incident().version}"
    async with telling(asking(settings, hook.port), None):
        await until(lambda: _is(state_of(collect, settings, key), "sent"))
        graver = incident(version=99, severity="severe")
        await publish(settings, (settings.topics.incidents, graver))
        await until(lambda: _is(state_of(collect, settings, "desk/flood/99"), "sent"))
    assert len(hook.calls) == kills + 2, "a kill costs one call with the same key, and nothing is called for nothing"
    assert list(hook.taken) == [f'"{key}"', '"desk/flood/99"']
    assert len({body for called, body in hook.calls if called == f'"{key}"'}) == 1


async def _is(found, wanted):
    return await found == wanted


async def test_what_is_told_and_what_is_silent(settings, hook, collect):
    """What was judged false before it was told, and after; and a channel that is down for a while."""
    topics = settings.topics
    mine = asking(settings, hook.port)

    async def down():
        return web.Response(status=503)

    async with telling(mine) as work:
        await until(lambda: _begun(collect, settings, work))
        hook.answers = [down, down]
        await publish(settings, (topics.incidents, incident("old")))
        async with decider(settings) as decide:
            await decide(Decision(incident="hoax", act=SetStatus(status="false"), by="ada"))
            await publish(settings, (topics.incidents, incident("hoax")))
            await until(lambda: _is(state_of(collect, settings, f"desk/old/{incident().version}"), "sent"))
            assert len(hook.calls) == 3
            await decide(Decision(incident="old", act=SetStatus(status="false"), by="ada"))
        await until(lambda: _count(hook, 4))
    said = json.loads(hook.calls[-1][1])["data"]["notices"][0]
    assert (said["kind"], said["title"]) == ("over", "False alarm: People affected near Colombo, LK (ada)")
    assert len(hook.taken) == 2, "of the hoax nobody was told"


async def _count(hook, calls):
    return len(hook.calls) >= calls


async def _begun(collect, settings, work):
    """Whether its place in the topics is kept: what comes from here on is news."""
    assert not work.done(), work.exception()
    from aiokafka import AIOKafkaConsumer, TopicPartition

    options = client_options(settings.kafka)
    async with AIOKafkaConsumer(**options, group_id=f"{settings.topics.prefix}notify") as consumer:
        return await consumer.committed(TopicPartition(settings.topics.incidents, 0)) is not None


async def test_alerts_are_counted_over_a_restart(settings, hook, collect):
    topic = settings.topics.alerts("humanitarian")
    counted = asking(settings, hook.port, on="alerts", count=2, within_minutes=60)
    async with telling(counted) as work:
        await until(lambda: _begun(collect, settings, work))
        await publish(settings, (topic, make_event("a")))
        await until(lambda: _read(settings, topic, 1))
    async with telling(counted):
        await publish(settings, (topic, make_event("b")))
        await until(lambda: _count(hook, 1))
    said = json.loads(hook.calls[0][1])["data"]["notices"][0]
    assert [event["post"]["id"] for event in said["data"]["events"]] == ["a", "b"]


async def _read(settings, topic, records):
    from aiokafka import AIOKafkaConsumer, TopicPartition

    options = client_options(settings.kafka)
    async with AIOKafkaConsumer(**options, group_id=f"{settings.topics.prefix}notify") as consumer:
        found = [await consumer.committed(TopicPartition(topic, each)) or 0 for each in (0, 1)]
    return sum(found) >= records
