"""X's filtered stream from loopback into the real broker: rules, keep-alives, backfill, refusals."""

from __future__ import annotations

import asyncio
import json
import logging

import kills
import pytest
from runs import count, fed, sent
from servers import XServer, serving

from stream_app.settings import SourceSettings, XSettings
from stream_app.sources import x
from stream_app.sources.frame import DisconnectedError, SourceError
from stream_app.sources.x import X, rules_for

pytestmark = pytest.mark.kafka


def made(address, **more):
    own = XSettings(url=f"http://{address}/2/tweets/search/stream", token="secret-token", **more)
    return X(SourceSettings(words=("flood", "forest fire"), languages=("en",), x=own))


def ids(records):
    return sorted(int(json.loads(record.value)["data"]["id"]) for record in records)


async def listening(server):
    before = server.opened
    while server.opened == before:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def test_backfill_gives_what_was_missed_and_repeats_nothing(settings, collect, caplog):
    server, numbers = XServer(), []
    async with serving(server.routes()) as address:

        async def write():
            await listening(server)
            for _ in range(3):
                for _ in range(50):
                    numbers.append(server.write())
                    server.say(b"\r\n")
                    await asyncio.sleep(0.005)
                server.say(None)

        writer = asyncio.create_task(write())
        await fed(settings, made(address, backfill_minutes=5), sent(100))
        await writer
        numbers += [server.write() for _ in range(30)]
        with caplog.at_level(logging.WARNING):
            missing = len(numbers) - len(await collect(settings.topics.posts))
            metrics = await fed(settings, made(address, backfill_minutes=5), sent(missing))
    assert ids(await collect(settings.topics.posts)) == numbers
    assert count(metrics, "gaps_total") == 0
    assert count(metrics, "messages_total", became="repeated") > 0
    assert "backfill_minutes" not in server.asked[0]
    assert server.asked[-1]["backfill_minutes"] == "1"
    assert "author_id" in server.asked[0]["tweet.fields"]


@pytest.mark.parametrize("times", [kills.SHORT, pytest.param(kills.LONG, marks=pytest.mark.long)])
async def test_kills_lose_and_repeat_nothing(settings, collect, times):
    server, written = XServer(), []

    async def write():
        await listening(server)
        while True:
            written.append(server.write())
            await asyncio.sleep(0.02)

    async with serving(server.routes()) as address:
        writer = asyncio.create_task(write())

        async def through():
            writer.cancel()
            return len(await collect(settings.topics.posts)) >= len(written)

        environment = {
            "X__URL": f"http://{address}/2/tweets/search/stream",
            "X__TOKEN": "secret-token",
            "X__BACKFILL_MINUTES": "5",
            "WORDS": '["flood"]',
        }
        await kills.kill(lambda: kills.command(settings, environment, "x"), settings, times, through)
    assert kills.judged(times, ids(await collect(settings.topics.posts)), written) == ([], [])


async def test_without_backfill_an_absence_is_told_as_a_gap(settings, caplog):
    server = XServer()
    async with serving(server.routes()) as address:
        for gaps in (0, 1):
            running = asyncio.create_task(fed(settings, made(address), sent(1)))
            await listening(server)
            server.write()
            metrics = await running
            assert count(metrics, "gaps_total") == gaps
    assert "sends nothing again on this plan" in caplog.text
    assert "secret-token" not in caplog.text


async def test_rules_are_made_to_match_and_others_are_left(settings):
    server = XServer()
    server.rules = {
        "1": {"value": "old", "tag": "crisis-stream"},
        "2": {"value": "cats", "tag": "someone"},
        "3": {"value": '(flood OR "forest fire") (lang:en)', "tag": "crisis-stream"},
    }
    async with serving(server.routes()) as address:
        running = asyncio.create_task(fed(settings, made(address), sent(1)))
        await listening(server)
        server.write()
        await running
        assert sorted(rule["value"] for rule in server.rules.values()) == ['(flood OR "forest fire") (lang:en)', "cats"]
        with pytest.raises(SourceError, match=r"X refuses rules: BAD: Invalid Rule"):
            await fed(settings, made(address, rules=("BAD",)), sent(1))


async def test_errors_are_waited_out_and_a_wrong_token_is_not(settings, monkeypatch):
    server, waited = XServer(), []
    server.answers = [503, 429]

    async def at_once(seconds):
        waited.append(seconds)

    async with serving(server.routes()) as address:
        monkeypatch.setattr("stream_app.sources.run._wait", at_once)
        running = asyncio.create_task(fed(settings, made(address), sent(1)))
        await listening(server)
        server.write()
        metrics = await running
        assert waited == [5.0, 60.0]
        assert count(metrics, "disconnects_total", kind="rate") == 1
        server.token = "another"
        with pytest.raises(SourceError, match=r"answers 401"):
            await fed(settings, made(address), sent(1))


async def test_a_stream_without_keep_alives_is_left(monkeypatch):
    monkeypatch.setattr(x, "_SILENT_S", 0.2)
    server = XServer()
    async with serving(server.routes()) as address:
        network = made(address)
        with pytest.raises(DisconnectedError, match="silent for"):
            async for _ in network.frames(x.Place()):
                pass
        await network.close()


async def test_a_line_in_pieces_is_one_and_an_operational_disconnect_is_no_post():
    class Content:
        async def iter_any(self):
            for piece in (b'{"data":{"id"', b':"5","text":"a"}}\r', b"\n\r\n", b'{"data":{"id":"6"}}\r\n'):
                yield piece

    assert [line async for line in x._lines(Content())] == [
        b'{"data":{"id":"5","text":"a"}}',
        b"",
        b'{"data":{"id":"6"}}',
    ]
    with pytest.raises(DisconnectedError, match="disconnected for operational reasons"):
        x._frame(
            b'{"errors":[{"title":"operational-disconnect","detail":"disconnected for operational reasons"}]}', 0, 0
        )
    assert x._frame(b"{broken", 0, 0).value == b"{broken"


def test_rules_are_short_enough_and_hold_every_word_and_small_boxes_only(caplog):
    words = tuple(f"word{number}" for number in range(300))
    rules = rules_for(SourceSettings(words=words, languages=("en", "de"), boxes=((10, 50, 10.2, 50.2), (0, 0, 9, 9))))
    assert all(len(rule) <= 512 for rule in rules)
    assert all(any(word in rule for rule in rules) for word in words)
    assert rules[-1] == "bounding_box:[10.0 50.0 10.2 50.2] (lang:en OR lang:de)"
    assert sum("bounding_box" in rule for rule in rules) == 1
    assert "no box of over 25 miles" in caplog.text
    with pytest.raises(SourceError, match="rules only"):
        rules_for(SourceSettings())


async def test_a_start_after_one_that_heard_nothing_says_so(settings, caplog):
    caplog.set_level(logging.INFO)
    async with serving(XServer().routes()) as address:
        for _ in range(2):
            await fed(settings, made(address), lambda _: True)
    (said,) = [each for each in caplog.messages if "goes on from position" in each]
    assert said.endswith("never heard of")
