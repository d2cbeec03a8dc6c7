"""Mastodon from a streaming API on loopback into the real broker: cut off, restarted, filled up from the timeline."""

from __future__ import annotations

import asyncio
import json

import kills
import pytest
from runs import count, fed, sent
from servers import MastodonServer, serving

from stream_app.pipeline.posts.parse import parse_record
from stream_app.settings import MastodonSettings
from stream_app.sources.frame import SourceError
from stream_app.sources.mastodon import Mastodon, _stream, _timeline

pytestmark = pytest.mark.kafka


def made(address, **more):
    return Mastodon(MastodonSettings(server=f"http://{address}", token="secret-token", **more))


def ids(records):
    """Of statuses; the feed holds them bare or as the stream wraps them."""
    found = []
    for record in records:
        value = json.loads(record.value)
        value = json.loads(value["payload"]) if "payload" in value else value
        found.append(int(value["id"] if isinstance(value, dict) else value))
    return sorted(found)


async def writing(server, numbers, count, every=0.01):
    for _ in range(count):
        number, said = server.write()
        numbers.append(number)
        await said
        await asyncio.sleep(every)


async def test_cut_off_and_restarted_it_misses_and_repeats_nothing(settings, collect):
    server, numbers = MastodonServer(), []
    async with serving(server.routes()) as address:

        async def cut_now_and_then():
            while not server.subscribed:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            for _ in range(4):
                await writing(server, numbers, 60)
                await server.cut()

        writer = asyncio.create_task(cut_now_and_then())
        await fed(settings, made(address), sent(150))
        await writer
        await writing(server, numbers, 100)
        await fed(settings, made(address), sent(len(numbers) - len(await collect(settings.topics.posts))))
    assert {page["limit"] for page in server.pages} == {"40"}
    records = await collect(settings.topics.posts)
    assert ids(records) == sorted(numbers)
    assert all(parse_record(record.value).posts for record in records)


@pytest.mark.parametrize("times", [kills.SHORT, pytest.param(kills.LONG, marks=pytest.mark.long)])
async def test_kills_lose_and_repeat_nothing(settings, collect, times):
    server, written = MastodonServer(), []

    async def write():
        while not server.subscribed:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while True:  # as many a second as the largest server's public timeline
            await writing(server, written, 1, every=0.04)

    async with serving(server.routes()) as address:
        writer = asyncio.create_task(write())

        async def through():
            writer.cancel()
            return len(await collect(settings.topics.posts)) >= len(written)

        environment = {"MASTODON__SERVER": f"http://{address}", "MASTODON__TOKEN": "secret-token"}
        await kills.kill(lambda: kills.command(settings, environment, "mastodon"), settings, times, through)
    assert server.pages, "nothing was read of the past"
    assert kills.judged(times, ids(await collect(settings.topics.posts)), written) == ([], [])


async def test_a_late_status_of_another_server_and_edits_and_deletions_come_once_each(settings, collect):
    server = MastodonServer()
    async with serving(server.routes()) as address:

        async def happen():
            while not server.sockets:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            number, said = server.write()
            await said
            late, said = server.write(at=number - (20_000 << 16))
            await said
            await server.edit(number)
            await server.edit(late)
            await server.delete(late)

        happening = asyncio.create_task(happen())
        await fed(settings, made(address), sent(5))
        await happening
        metrics = await fed(settings, made(address), lambda m: count(m, "messages_total", became="repeated") >= 1)
        assert count(metrics, "messages_total", became="sent") == 0
    assert len(await collect(settings.topics.posts)) == 5


async def test_more_than_the_pages_allowed_is_told_as_a_gap(settings, caplog):
    server, numbers = MastodonServer(), []
    async with serving(server.routes()) as address:
        first = asyncio.create_task(fed(settings, made(address), sent(1)))
        while not server.sockets:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await writing(server, numbers, 1)
        await first
        await writing(server, numbers, 100, every=0)
        metrics = await fed(settings, made(address, fill_pages=2), lambda m: count(m, "gaps_total") == 1)
    assert count(metrics, "gaps_total") == 1
    assert "more than sources.mastodon.fill_pages = 2 pages" in caplog.text


async def test_a_wrong_token_and_an_unknown_stream_end_it_and_the_token_is_never_shown(settings, caplog):
    server = MastodonServer(token="another")
    async with serving(server.routes()) as address:
        with pytest.raises(SourceError, match=r"answers 401.*token"):
            await fed(settings, made(address), sent(1))
    server = MastodonServer()
    async with serving(server.routes()) as address:
        with pytest.raises(SourceError, match=r"Unknown channel name.*sources\.mastodon\.streams"):
            await fed(settings, made(address, streams=("nonsense",)), sent(1))
    with pytest.raises(SourceError, match="need a token"):
        Mastodon(MastodonSettings())
    assert "secret-token" not in caplog.text
    assert "secret-token" not in repr(MastodonSettings(token="secret-token"))


@pytest.mark.parametrize(
    ("name", "asked", "timeline"),
    [
        ("public", {"stream": "public"}, ("/api/v1/timelines/public", {})),
        ("public:local", {"stream": "public:local"}, ("/api/v1/timelines/public", {"local": "true"})),
        (
            "public:remote:media",
            {"stream": "public:remote:media"},
            ("/api/v1/timelines/public", {"remote": "true", "only_media": "true"}),
        ),
        ("hashtag:flood", {"stream": "hashtag", "tag": "flood"}, ("/api/v1/timelines/tag/flood", {})),
        (
            "hashtag:local:flood",
            {"stream": "hashtag:local", "tag": "flood"},
            ("/api/v1/timelines/tag/flood", {"local": "true"}),
        ),
    ],
)
def test_streams_and_their_timelines(name, asked, timeline):
    assert _stream(name) == asked
    assert _timeline(name) == timeline
