"""A feed in Avro and Protobuf by a registry: labelled, buried with the schema's id, or waiting for the registry."""

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer
from schema_registry import RegistryServer, avro, frame, serialized, text_file, text_type

from stream_app.kafka.clients import producer_options
from stream_app.pipeline.events.dead_letter import read_dead_letter
from stream_app.settings import FeedSettings, RegistrySettings
from stream_app.worker.service import Replica

pytestmark = pytest.mark.kafka

TOOT = {
    "type": "record",
    "name": "Toot",
    "fields": [{"name": each, "type": "string"} for each in ("nr", "said", "when")],
}
MAPPING = {"id": "nr", "text": "said", "created_at": "when"}


def a_toot(number):
    return {"nr": str(number), "said": f"the bridge collapsed {number}", "when": "2026-03-01T00:00:00Z"}


async def test_posts_wait_for_the_registry_and_become_events_or_name_their_schema(settings, collect):
    server = RegistryServer()
    server.status = 503
    server.ids[7] = {"schema": json.dumps(TOOT)}
    server.ids[8] = {"schema": serialized(text_file("nr", "said", "when")), "schemaType": "PROTOBUF"}
    protobuf = text_type("nr", "said", "when")(**a_toot(2)).SerializeToString()
    values = {
        b"avro": frame(7, avro(TOOT, a_toot(1))),
        b"protobuf": frame(8, b"\0" + protobuf),
        b"json": frame(1, json.dumps(a_toot(3)).encode()),
        b"plain": json.dumps(a_toot(4)).encode(),
        b"unknown": frame(99, b"x"),
        b"other": frame(7, b"\xff"),
    }
    server.ids[1] = {"schema": "{}", "schemaType": "JSON"}
    async with server.serving(), AIOKafkaProducer(**producer_options(settings.kafka)) as producer:
        feed = FeedSettings(mapping=MAPPING, registry=RegistrySettings(url=server.url))
        replica = Replica(settings.model_copy(update={"feed": feed}))
        await replica.start()
        try:
            for key, value in values.items():
                await producer.send_and_wait(settings.topics.posts, value, key=key)
            async with asyncio.timeout(60):
                while server.url not in (replica.unready() or ""):  # noqa: ASYNC110 - it has no event
                    await asyncio.sleep(0.05)
            server.status = 200
            events = await collect(settings.topics.events, 4, 60)
            letters = await collect(settings.topics.dead_letters, 2, 60)
            assert replica.unready() is None
        finally:
            await replica.stop()
    assert sorted(json.loads(each.value)["post"]["text"][-1] for each in events) == ["1", "2", "3", "4"]
    buried = {each.key: (each.value, read_dead_letter(each.headers)) for each in letters}
    assert {key: value for key, (value, _) in buried.items()} == {key: values[key] for key in (b"unknown", b"other")}
    assert f"Schema 99 of the registry at {server.url}: the registry does not have it" in buried[b"unknown"][1].error
    assert "Schema 7" in buried[b"other"][1].error
