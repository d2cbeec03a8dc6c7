"""Bluesky from a Jetstream on loopback into the real broker: killed, cut off, moved to another host, compressed."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from datetime import UTC, datetime

import kills
import pytest
from runs import count, fed, sent
from servers import Jetstream, post_event, serving, zstd

from stream_app.settings import BlueskySettings, SourceSettings
from stream_app.sources.bluesky import Bluesky
from stream_app.sources.frame import SourceError

pytestmark = pytest.mark.kafka


def numbers(records):
    """Of the posts and deletions that are in the feed."""
    return [int(json.loads(record.value)["commit"]["rkey"]) for record in records]


def whole(found):
    """What lies between the first and the last: identity events are not sent."""
    return [number for number in range(min(found), max(found) + 1) if number % 50 != 7]


def command(settings, hosts, *arguments):
    return kills.command(settings, {"BLUESKY__HOSTS": json.dumps(hosts)}, "bluesky", *arguments)


@pytest.mark.parametrize("times", [kills.SHORT, pytest.param(kills.LONG, marks=pytest.mark.long)])
async def test_kills_lose_and_repeat_nothing(settings, collect, times):
    server = Jetstream(rate=100)
    since = datetime.fromtimestamp(server.start_us / 1e6, UTC).isoformat()
    async with serving(server.routes()) as address:
        target = None

        async def through():
            nonlocal target
            target = target or (time.time() * 1e6 - server.start_us) / 1e6 * server.rate
            return max(numbers(await collect(settings.topics.posts))) >= target

        hosts = [f"ws://{address}/subscribe"]
        await kills.kill(lambda: command(settings, hosts, "--since", since), settings, times, through)
    found = numbers(await collect(settings.topics.posts))
    assert min(found) == 0
    assert kills.judged(times, found, whole(found)) == ([], [])


async def test_a_stream_that_is_cut_all_the_time_is_whole(settings, collect, monkeypatch):
    async def at_once(_):
        pass

    monkeypatch.setattr("stream_app.sources.run._wait", at_once)
    async with serving(Jetstream(breaks_every=23).routes()) as address:
        await fed(settings, Bluesky(BlueskySettings(hosts=(f"ws://{address}/subscribe",))), sent(300))
    found = numbers(await collect(settings.topics.posts))
    assert sorted(found) == whole(found)


async def test_another_host_with_another_clock_takes_over(settings, collect):
    one, other = Jetstream(breaks_every=100), Jetstream(skew_us=700_000)
    other.start_us = one.start_us
    async with serving(one.routes()) as first, serving(other.routes()) as second:
        hosts = tuple(f"ws://{address}/subscribe" for address in (first, second))
        since = datetime.fromtimestamp(one.start_us / 1e6, UTC)
        network = Bluesky(BlueskySettings(hosts=hosts), since)

        def until(metrics):
            if sent(60)(metrics):
                one.refuses = 503
            return sent(1200)(metrics)

        network_backoff = await fed(settings, network, until)
        assert count(network_backoff, "messages_total", became="repeated") > 0
    assert one.asked
    assert other.asked
    found = numbers(await collect(settings.topics.posts))
    assert sorted(found) == whole(found)


async def test_compressed_frames_are_read_and_only_asked_for_with_a_dictionary(settings, collect, tmp_path):
    samples = [json.dumps(post_event(n, n)).encode() for n in range(2000)]
    dictionary = zstd.train_dict(samples, 4096)
    path = tmp_path / "zstd_dictionary"
    path.write_bytes(dictionary.dict_content)
    server = Jetstream(dictionary=dictionary)
    async with serving(server.routes()) as address:
        mine = BlueskySettings(hosts=(f"ws://{address}/subscribe",), zstd_dictionary=path)
        await fed(settings, Bluesky(mine), sent(50))
    assert server.asked[0]["compress"] == "true"
    assert server.asked[0].getall("wantedCollections") == ["app.bsky.feed.post", "app.bsky.feed.repost"]
    found = numbers(await collect(settings.topics.posts))
    assert sorted(found) == whole(found)


async def test_a_wrong_dictionary_and_a_refusal_end_it_with_a_word(settings, tmp_path):
    path = tmp_path / "zstd_dictionary"
    with pytest.raises(SourceError, match=r"zstd_dictionary = .* cannot be used"):
        Bluesky(BlueskySettings(zstd_dictionary=path))
    server = Jetstream()
    server.refuses = 400
    async with serving(server.routes()) as address:
        with pytest.raises(SourceError, match=r"answers 400.*check the settings"):
            await fed(settings, Bluesky(BlueskySettings(hosts=(f"ws://{address}/subscribe",))), sent(1))


async def test_what_jetstream_no_longer_has_is_told_as_a_gap(settings, caplog):
    server = Jetstream(keeps_s=100)
    server.start_us -= 1_000_000_000
    since = datetime.fromtimestamp(server.start_us / 1e6, UTC)
    async with serving(server.routes()) as address:
        with caplog.at_level(logging.WARNING):
            metrics = await fed(
                settings, Bluesky(BlueskySettings(hosts=(f"ws://{address}/subscribe",)), since), sent(5)
            )
    assert count(metrics, "gaps_total") == 1
    assert count(metrics, "gap_seconds_total") == pytest.approx(900, abs=30)
    assert f"GAP: posts from {since.isoformat(timespec='seconds')}" in caplog.text


async def test_filters_leave_posts_out_but_no_deletions(settings, collect):
    async with serving(Jetstream().routes()) as address:
        network = Bluesky(BlueskySettings(hosts=(f"ws://{address}/subscribe",)))
        await fed(settings, network, sent(3), SourceSettings(words=("earthquake",)))
    operations = {json.loads(r.value)["commit"]["operation"] for r in await collect(settings.topics.posts)}
    assert operations == {"delete"}


async def test_messages_of_one_post_stay_in_one_partition(settings, collect):
    async with serving(Jetstream().routes()) as address:
        await fed(settings, Bluesky(BlueskySettings(hosts=(f"ws://{address}/subscribe",))), sent(50))
    for record in await collect(settings.topics.posts):
        event = json.loads(record.value)
        assert record.key.decode() == f"{event['did']}/app.bsky.feed.post/{event['commit']['rkey']}"


async def test_a_source_that_another_one_replaces_ends(settings, tmp_path):
    async with serving(Jetstream().routes()) as address:
        hosts = [f"ws://{address}/subscribe"]
        first = command(settings, hosts)
        second = None
        try:
            await asyncio.sleep(0)
            while "begins now" not in (line := await asyncio.to_thread(first.stderr.readline)):
                assert line
            second = command(settings, hosts)
            _, said = await asyncio.to_thread(first.communicate)
        finally:
            for each in filter(None, (first, second)):
                each.kill()
                await asyncio.to_thread(each.wait)
    assert first.returncode == 1
    assert "another source of the same name has started" in said
    assert "goes on after it" in said
    assert "Traceback" not in said
