"""A registry is asked once a schema; while it is away the feed waits and says so, and what it does not know is told."""

import asyncio
import json
import socket

import aiohttp
import pytest
from schema_registry import AUTHOR, AVRO, VALUE, RegistryServer, avro, frame, post_file, serialized, types

from stream_app.pipeline.feed import registry as module
from stream_app.pipeline.feed.registry import Registry
from stream_app.pipeline.feed.schemas import SchemaError
from stream_app.settings import RegistrySettings


@pytest.fixture
async def server(monkeypatch):
    """A registry that is waited for: on a busy machine its answer may take longer than a real one's."""
    monkeypatch.setattr(module, "_TIMEOUT", aiohttp.ClientTimeout(total=None))
    async with RegistryServer().serving() as running:
        running.ids[7] = {"schema": json.dumps(AVRO)}
        yield running


async def read(registry, value):
    await registry.learn([value])
    return registry.plain(value)


async def test_a_schema_is_asked_for_once(server):
    async with Registry(RegistrySettings(url=server.url + "/")) as registry:
        for _ in range(3):
            assert json.loads(await read(registry, frame(7, avro(AVRO, VALUE))))["text"] == VALUE["text"]
        await registry.learn([None, b"", b'{"text": "no frame"}'])
        assert registry.plain(b'{"text": "no frame"}') == b'{"text": "no frame"}'
    assert server.asked == ["/schemas/ids/7"]


async def test_protobuf_comes_with_the_files_that_it_imports(server):
    imports = [{"name": "author.proto", "subject": "net/author", "version": 2}]
    server.ids[8] = {"schema": serialized(post_file()), "schemaType": "PROTOBUF", "references": imports}
    server.subjects["net/author", 2] = {"schema": serialized(AUTHOR), "schemaType": "PROTOBUF"}
    payload = b"\0" + types()("net.First")(text="hi").SerializeToString()
    async with Registry(RegistrySettings(url=server.url)) as registry:
        assert json.loads(await read(registry, frame(8, payload))) == {"text": "hi"}
    assert server.asked == ["/schemas/ids/8", "/subjects/net/author/versions/2"]


async def test_an_id_that_it_does_not_know_is_told_and_asked_for_again_later(server, monkeypatch):
    async with Registry(RegistrySettings(url=server.url)) as registry:
        for _ in range(2):
            with pytest.raises(
                SchemaError, match=rf"Schema 99 of the registry at {server.url}: .* not have it \(status 404\)"
            ):
                await read(registry, frame(99, b"x"))
        assert server.asked == ["/schemas/ids/99"]
        monkeypatch.setattr(module, "_ASK_AGAIN_S", -1.0)
        for _ in range(2):
            with pytest.raises(SchemaError, match="Schema 98"):
                await read(registry, frame(98, b"x"))
        assert server.asked == ["/schemas/ids/99", "/schemas/ids/98", "/schemas/ids/98"]
        registry._known.clear()
        server.ids[99] = {"schema": '"string"'}
        assert await read(registry, frame(99, avro("string", "hi"))) == b'"hi"'


async def test_a_record_that_is_not_what_its_schema_says_is_told(server):
    async with Registry(RegistrySettings(url=server.url)) as registry:
        with pytest.raises(SchemaError, match=r"Schema 7 .*: the record is not what its schema says"):
            await read(registry, frame(7, b"\xff"))


@pytest.mark.parametrize("answer", [{}, {"schema": None, "schemaType": "X"}, {"schema": "{}", "references": [{}]}, []])
async def test_an_answer_without_a_schema_is_told(server, answer):
    server.ids[5] = answer
    async with Registry(RegistrySettings(url=server.url)) as registry:
        with pytest.raises(SchemaError, match="Schema 5 of the registry"):
            await read(registry, frame(5, b"x"))


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"username": "me", "password": "s3cret"}, "Basic bWU6czNjcmV0"),
        ({"token": "t0ken"}, "Bearer t0ken"),
        ({}, None),
    ],
)
async def test_it_logs_in_and_shows_no_secret(server, given, sent):
    settings = RegistrySettings(url=server.url, **given)
    async with Registry(settings) as registry:
        await registry.learn([frame(7, b"x")])
    assert server.authorization == [sent]
    assert "s3cret" not in repr(settings)
    assert "t0ken" not in repr(settings)


@pytest.mark.parametrize(
    ("status", "said"), [(503, "answers with status 503"), (401, "refuses us"), (302, "answers with status 302")]
)
async def test_while_it_is_away_the_feed_waits_and_says_so(server, monkeypatch, status, said):
    monkeypatch.setattr(module, "_FIRST_WAIT_S", 0.01)
    server.status = status
    async with Registry(RegistrySettings(url=server.url)) as registry:
        waiting = asyncio.create_task(read(registry, frame(7, avro(AVRO, VALUE))))
        async with asyncio.timeout(30):
            while registry.trouble is None:  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.01)
        assert said in registry.trouble
        assert "posts wait for schema 7" in registry.trouble
        server.status = 200
        assert json.loads(await waiting)["text"] == VALUE["text"]
        assert registry.trouble is None


async def test_a_port_where_nobody_listens_is_waited_for_until_told_to_stop():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    async with Registry(RegistrySettings(url=url)) as registry:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(registry.learn([frame(7, b"x")]), 0.05)
        assert registry.trouble is None


async def test_an_authority_that_is_no_file_is_named(tmp_path):
    with pytest.raises(OSError, match=r"feed.registry.ca = .*none.pem"):
        await Registry(RegistrySettings(url="https://x", ca=tmp_path / "none.pem")).__aenter__()


async def test_without_a_registry_frames_are_left_to_the_reader():
    async with Registry(RegistrySettings()) as registry:
        assert await read(registry, frame(7, b"{}")) == frame(7, b"{}")
