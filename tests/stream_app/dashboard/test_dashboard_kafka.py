"""The whole dashboard on a real Kafka: events, incidents, dead letters, lag and verdicts."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from stream_app.dashboard.past import first_event, read_events
from stream_app.dashboard.server import dashboard
from stream_app.dashboard.state import DashboardState
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.broker import LocalBroker
from stream_app.kafka.clients import client_options
from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.events.event import EVENT_TYPE, WITHDRAWN_TYPE
from stream_app.settings import DashboardSettings, KafkaSettings, Settings, TopicSettings

pytestmark = pytest.mark.kafka


@pytest.fixture
def desk(settings):
    return settings.model_copy(update={"dashboard": DashboardSettings(port=0)})


@pytest.fixture
async def producer(desk):
    async with AIOKafkaProducer(**client_options(desk.kafka)) as producer:
        yield producer


async def send_event(producer, desk, event):
    value = event.model_dump_json().encode()
    await producer.send_and_wait(desk.topics.events, value, key=event.post.root_id.encode())


async def view_until(address, good, timeout_s=20):
    """A fresh browser's snapshot, asked for until ``good(snapshot)``."""
    async with asyncio.timeout(timeout_s), aiohttp.ClientSession() as web:
        while True:
            async with web.get(address + "stream") as response:
                while not (line := await response.content.readline()).startswith(b"data: "):
                    pass
            snapshot = json.loads(line.removeprefix(b"data: "))
            if good(snapshot):
                return snapshot
            await asyncio.sleep(0.2)


async def test_everything_that_kafka_holds_and_brings_is_shown(desk, producer, make_event, make_incident):
    topics = desk.topics
    await send_event(producer, desk, make_event(1, text="before the start"))
    await producer.send_and_wait(topics.incidents, make_incident("old").model_dump_json().encode(), key=b"old")
    async with dashboard(desk) as address:
        await view_until(address, lambda view: len(view["cards"]) == 1 and len(view["incidents"]) == 1)
        await send_event(producer, desk, make_event(2, text="live"))
        await send_event(producer, desk, make_event(3, root=1))
        await producer.send_and_wait(topics.events, b"not an event")
        await producer.send_and_wait(topics.incidents, b"not an incident", key=b"odd")
        await producer.send_and_wait(topics.incidents, make_incident("new").model_dump_json().encode(), key=b"new")
        await producer.send_and_wait(topics.incidents, None, key=b"old")
        await producer.send_and_wait(
            topics.dead_letters, b"{", headers=[("dl-stage", b"parse"), ("dl-error", b"not JSON")]
        )
        view = await view_until(
            address,
            lambda view: (
                view["stats"]["counts"].get("posts") == 3
                and view["stats"]["dead_letters"]
                and [incident["id"] for incident in view["incidents"]] == ["new"]
            ),
        )
    texts = {card["event"]["post"]["text"]: card["duplicates"] for card in view["cards"]}
    assert texts == {"before the start": 1, "live": 0}
    assert view["stats"]["dead_letters"][0]["error"] == "not JSON"
    assert view["stats"]["problems"] == []


async def test_lag_is_what_is_there_less_what_the_group_committed(desk, producer):
    topic = desk.topics.posts
    for partition, count in ((0, 7), (1, 4)):
        for _ in range(count):
            await producer.send_and_wait(topic, b"{}", partition=partition)
    group = AIOKafkaConsumer(**client_options(desk.kafka), group_id=desk.worker.group_id, enable_auto_commit=False)
    async with group:
        group.assign([TopicPartition(topic, 0)])
        await group.commit({TopicPartition(topic, 0): OffsetAndMetadata(5, "")})
    async with dashboard(desk) as address:
        view = await view_until(address, lambda view: view["stats"]["lag"])
    assert view["stats"]["lag"]["partitions"] == [{"partition": 0, "lag": 2}, {"partition": 1, "lag": 4}]


async def test_the_marker_that_closes_a_transaction_is_no_waiting_post(desk):
    topic = desk.topics.posts
    feeder = AIOKafkaProducer(**client_options(desk.kafka), transactional_id=desk.worker.group_id)
    async with feeder, feeder.transaction():
        for partition in (0, 1):
            await feeder.send_and_wait(topic, b"{}", partition=partition)
    group = AIOKafkaConsumer(**client_options(desk.kafka), group_id=desk.worker.group_id, enable_auto_commit=False)
    async with group:
        group.assign([TopicPartition(topic, 0)])
        await group.commit({TopicPartition(topic, 0): OffsetAndMetadata(1, "")})
    async with dashboard(desk) as address:
        view = await view_until(address, lambda view: view["stats"]["lag"])
    assert view["stats"]["lag"]["partitions"] == [{"partition": 0, "lag": 0}, {"partition": 1, "lag": 2}]


async def test_a_verdict_lands_in_the_feedback_topic(desk, collect, producer, make_event):
    event = make_event(1)
    await producer.send_and_wait(desk.topics.events, event.model_dump_json().encode())
    async with dashboard(desk) as address, aiohttp.ClientSession(headers={"Origin": address.rstrip("/")}) as web:
        await view_until(address, lambda view: view["cards"])
        body = {"event": event.id, "labels": {"damage": "mild_damage"}, "analyst": "desk-2", "note": "an old photo"}
        async with web.post(address + "verdicts", json=body) as response:
            assert response.status == 204
        for wrong in ({"event": event.id, "labels": {"damage": "huge"}}, {"event": "", "labels": {}}, {}, [], "x"):
            async with web.post(address + "verdicts", json=wrong) as response:
                assert response.status == 400
                assert (await response.text()).startswith(("Not a verdict", "The body is not a JSON object"))
    (record,) = await collect(desk.topics.feedback, count=1)
    verdict = Verdict.model_validate_json(record.value)
    assert (verdict.event, verdict.labels) == (event.id, {"damage": "mild_damage"})
    assert (verdict.analyst, verdict.note) == ("desk-2", "an old photo")
    assert dict(record.headers)["ce_subject"] == event.id.encode()
    assert record.key == event.id.encode()
    assert verdict.at is not None


async def test_a_verdict_on_a_shown_event_comes_back_on_its_card(desk, producer, make_event):
    event = make_event(1)
    await producer.send_and_wait(desk.topics.events, event.model_dump_json().encode())
    async with dashboard(desk) as address, aiohttp.ClientSession(headers={"Origin": address.rstrip("/")}) as web:
        await view_until(address, lambda view: view["cards"])
        body = {"event": event.id, "labels": {"humanitarian": "not_humanitarian"}}
        async with web.post(address + "verdicts", json=body) as response:
            assert response.status == 204
        view = await view_until(address, lambda view: view["cards"][0]["verdict"])
    assert view["cards"][0]["verdict"]["labels"] == {"humanitarian": "not_humanitarian"}


async def test_missing_topics_are_told_in_words(desk):
    nowhere = desk.model_copy(update={"topics": TopicSettings(prefix="nowhere.")})
    async with dashboard(nowhere) as address:
        view = await view_until(address, lambda view: len(view["stats"]["problems"]) == 4)
    assert "Kafka has no topic nowhere.incidents: start a worker" in " ".join(view["stats"]["problems"])
    assert "Error" not in " ".join(view["stats"]["problems"])


async def test_a_kafka_that_goes_away_is_told_of_and_found_again(desk, tmp_path):
    with LocalBroker(tmp_path / "kafka") as broker:
        kafka = desk.kafka.model_copy(update={"bootstrap_servers": broker.bootstrap_servers})
        mine = desk.model_copy(update={"kafka": kafka})
        await ensure_topics(mine)
        async with dashboard(mine) as address:
            await view_until(address, lambda view: view["stats"]["lag"] and not view["stats"]["problems"])
            await asyncio.to_thread(broker.kill)
            gone = await view_until(address, lambda view: view["stats"]["problems"], timeout_s=40)
            assert "No answer from Kafka" in str(gone["stats"]["problems"])
            assert gone["stats"]["lag"] is None
            await asyncio.to_thread(broker.start)
            await view_until(address, lambda view: view["stats"]["lag"] and not view["stats"]["problems"], timeout_s=60)


async def test_it_starts_and_says_so_while_kafka_is_away(unused_port, monkeypatch):
    monkeypatch.setattr(DashboardState, "knows", lambda *_: True)
    away = Settings(
        kafka=KafkaSettings(bootstrap_servers=f"127.0.0.1:{unused_port}"), dashboard=DashboardSettings(port=0)
    )
    async with dashboard(away) as address:
        view = await view_until(address, lambda view: view["stats"]["problems"])
        assert str(unused_port) in view["stats"]["problems"][0]
        async with aiohttp.ClientSession(headers={"Origin": address.rstrip("/")}) as web:
            body = {"event": "e1", "labels": {"damage": "mild_damage"}}
            async with web.post(address + "verdicts", json=body) as response:
                assert response.status == 503


@pytest.fixture
def unused_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def test_an_earlier_hour_is_read_back_without_what_was_withdrawn_since(desk, producer, make_event):
    async def send(event):
        kind = WITHDRAWN_TYPE if event.withdrawn else EVENT_TYPE
        value, key = event.model_dump_json().encode(), event.post.root_id.encode()
        headers = [("ce_type", kind.encode())]
        sent = await producer.send_and_wait(desk.topics.events, value, key=key, headers=headers)
        await asyncio.sleep(0.005)  # Kafka's clock counts milliseconds
        return datetime.fromtimestamp(sent.timestamp / 1000, UTC)

    came = [await send(make_event(number, text=f"post {number}")) for number in range(1, 6)]
    taken = make_event(3)
    await send(taken.model_validate({**taken.model_dump(), "withdrawn": {"reason": "deleted"}}))
    state = DashboardState(desk.dashboard)
    assert await first_event(desk) == came[0]
    assert await read_events(desk, came[1], came[4], state) is False
    assert sorted(card["event"]["post"]["text"] for card in state.snapshot()["cards"]) == ["post 2", "post 4"]
