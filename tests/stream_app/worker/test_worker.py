"""A replica on a real broker: every record of the feed comes to its one end."""

import asyncio
import gc
import json
import os
import random
import re
import signal
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256

import aiohttp
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from model.serving.fixed import FixedScorer
from stream_app.cli.dead_letters import Wanted, send_again
from stream_app.kafka.clients import admin_client, client_options
from stream_app.pipeline.events.dead_letter import read_dead_letter
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.feed.history import HEADER
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.worker.labeller import Work
from stream_app.worker.service import Replica

pytestmark = pytest.mark.kafka


def a_post(number, text="the bridge collapsed", **more):
    """One post in our own format, as bytes."""
    fields = {
        "network": "other",
        "id": str(number),
        "root_id": str(number),
        "text": f"{text} {number}",
        "created_at": "2026-03-01T00:00:00Z",
    }
    return json.dumps(fields | more).encode()


class NoImages:
    """A fetcher whose images never come."""

    decoding = 0

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        return None

    async def fetch(self, links, since):
        from stream_app.pipeline.media.outcome import MediaOutcome

        return tuple(MediaOutcome(link.url, "late", reason="never comes") for link in links)


@pytest.fixture
def send(settings):
    """``await send(values)``: put values on the feed, keyed by their number."""

    async def put(values: Sequence[bytes], headers=()):
        async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
            sent = [
                await producer.send(settings.topics.posts, value, key=str(i).encode(), headers=list(headers))
                for i, value in enumerate(values)
            ]
            await asyncio.gather(*sent)

    return put


@pytest.fixture
def replica(settings):
    """``async with replica() as running``: one replica in this process."""

    @asynccontextmanager
    async def run(**options) -> AsyncIterator[Replica]:
        service = Replica(options.pop("settings", settings), make_fetcher=options.pop("fetcher", NoImages), **options)
        await service.start()
        try:
            yield service
        finally:
            await service.stop()

    return run


class Slow(FixedScorer):
    def score(self, posts):
        time.sleep(0.03)
        return super().score(posts)


class Raises(FixedScorer):
    def score(self, posts):
        if any("BAD" in post.text for post in posts):
            raise ValueError("cannot take this")
        return super().score(posts)


def loads(scorer):
    return lambda source, **_: scorer()


async def eventually(condition, timeout_s=60):
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.02)


async def events(collect, settings, count, timeout_s=60):
    found = await collect(settings.topics.events, count, timeout_s)
    return [Event.model_validate_json(each.value) for each in found]


async def test_posts_become_events_and_alerts(settings, send, replica, collect):
    await send([a_post(i) for i in range(300)])
    async with replica():
        found = await events(collect, settings, 300)
        alerts = await collect(settings.topics.alerts("humanitarian"), 300)
    assert sorted(int(each.post.id) for each in found) == list(range(300))
    assert len(alerts) == 300
    assert {each.labels.humanitarian.label for each in found} == {"infrastructure_and_utility_damage"}


async def test_a_copy_goes_to_the_alerts_of_what_it_repeats_and_counts_with_its_labels(
    settings, send, replica, collect
):
    async with replica() as running:
        await send([a_post(1)])
        await eventually(lambda: running.publisher.commits and not running.room.taken)
        await send([a_post(2, kind="repost", root_id="1"), a_post(3, "nothing to see")])
        found = await events(collect, settings, 3)
        alerts = await collect(settings.topics.alerts("humanitarian"), 2)
        await eventually(lambda: not running.room.taken)
        text = running.metrics_text().decode()
    assert sorted((each.post.id, each.duplicate_of) for each in found) == [("1", None), ("2", "1"), ("3", None)]
    assert {Event.model_validate_json(each.value).post.id for each in alerts} == {"1", "2"}
    counted = 'crisis_stream_labels_total{concept="humanitarian",label="%s"} %d.0'
    assert counted % ("infrastructure_and_utility_damage", 2) in text
    assert counted % ("not_humanitarian", 1) in text
    assert "crisis_stream_duplicates_total 1.0" in text


async def test_a_post_that_is_done_with_is_freed_without_the_garbage_collector(settings, send, replica):
    """Which would hold up the next ones, and comes late: a post may have its photos with it."""
    gc.collect()
    gc.disable()
    try:
        async with replica() as running:
            await send([a_post(i) for i in range(600)])
            await eventually(lambda: running.publisher.commits and not running.room.taken)
            left = sum(isinstance(each, Work) for each in gc.get_objects())
    finally:
        gc.enable()
    assert left <= 200  # who scores and who publishes still hold their last


async def test_a_successor_goes_on_where_the_first_stopped(settings, send, replica, collect):
    await send([a_post(i) for i in range(100)])
    async with replica():
        await collect(settings.topics.events, 100)
    await send([a_post(i) for i in range(100, 150)])
    async with replica():
        found = await events(collect, settings, 150)
    assert sorted(int(each.post.id) for each in found) == list(range(150))


async def test_bad_input_is_a_dead_letter_with_its_reason_and_control_lines_are_nothing(
    settings, send, replica, collect
):
    bad = [b"\xff\x00", b"[1]", b'{"network": "x"}', b"{" * 5000]
    await send([a_post(1), *bad, b'{"delete": {"status": {}}}', a_post(2)], headers=[("mine", b"1")])
    async with replica() as running:
        letters = await collect(settings.topics.dead_letters, len(bad))
        assert len(await events(collect, settings, 2)) == 2
        text = running.metrics_text().decode()
    assert sorted(letter.value for letter in letters) == sorted(bad)
    for letter in letters:
        read = read_dead_letter(letter.headers)
        assert read.stage == "parse"
        assert len(read.error) > 20
        assert read.original_headers == (("mine", b"1"),)
    assert 'crisis_stream_posts_total{became="control_line"} 1.0' in text
    assert 'crisis_stream_dead_letters_total{stage="parse"} 4.0' in text


async def test_a_failing_batch_costs_only_the_posts_that_fail(settings, send, replica, collect):
    await send([a_post(i, "BAD" if i in (3, 70) else "flood") for i in range(128)])
    async with replica(load=loads(Raises)):
        found = await events(collect, settings, 126)
        letters = await collect(settings.topics.dead_letters, 2)
    assert {int(each.post.id) for each in found} == set(range(128)) - {3, 70}
    assert {read_dead_letter(each.headers).stage for each in letters} == {"model"}
    assert "cannot take this" in read_dead_letter(letters[0].headers).error


async def test_reposts_and_copies_share_the_labels_of_one(settings, send, replica, collect):
    scored = []

    class Counts(FixedScorer):
        def score(self, posts):
            scored.extend(posts)
            return super().score(posts)

    reposts = [a_post(100 + i, root_id="1", kind="repost") for i in range(20)]
    copies = [a_post(200 + i).replace(f"collapsed {200 + i}".encode(), b"collapsed 1") for i in range(20)]
    await send([a_post(1), *reposts, *copies])
    async with replica(load=loads(Counts)):
        found = await events(collect, settings, 41)
        await send([a_post(300, root_id="1", kind="repost")])
        found = await events(collect, settings, 42)
    assert len(scored) <= 2  # the repost may be read before its root, from another partition
    assert sum(each.duplicate_of is None for each in found) == len(scored)
    last = next(each for each in found if each.post.id == "300")
    assert last.duplicate_of is not None
    assert last.duplicates_seen >= 20


async def test_copies_and_posts_come_again_keep_their_place_and_language(settings, send, replica, collect):
    first, copy, repost = a_post(1), a_post(2), a_post(3, root_id="1", kind="repost")
    told = [
        re.sub(b"the bridge collapsed .", b"The bridge in Colombo, Sri Lanka has collapsed", post)
        for post in (first, copy, repost)
    ]
    await send(told[:2])  # one on the heels of the other
    async with replica():
        await events(collect, settings, 2)
        await send([told[0], told[2]])  # come again, and a repost: known by now
        found = await events(collect, settings, 4)
    assert [(each.post.place.name, each.post.language) for each in found] == [("Colombo", "en")] * 4


async def test_an_empty_repost_does_not_give_its_labels_to_the_root_that_comes_later(settings, send, replica, collect):
    await send([a_post(2, root_id="1", kind="repost").replace(b"the bridge collapsed 2", b"")])
    async with replica():
        await events(collect, settings, 1)
        await send([a_post(1)])
        found = {each.post.id: each for each in await events(collect, settings, 2)}
    assert found["2"].labels.humanitarian.label is None
    assert found["1"].labels.humanitarian.label == "infrastructure_and_utility_damage"
    assert found["1"].duplicate_of is None


async def test_an_image_that_does_not_come_degrades_the_event_and_is_tried_again(settings, send, replica, collect):
    fetched = []

    class Late(NoImages):
        async def fetch(self, links, since):
            fetched.append(links)
            return await super().fetch(links, since)

    media = [{"url": "https://a.example/1.jpg"}]
    await send([a_post(1, media=media)])
    async with replica(fetcher=Late):
        (event,) = await events(collect, settings, 1)
        assert event.degraded
        assert "never comes" in event.degraded_reasons[0]
        assert event.labels.damage.label is None
        await send([a_post(2, root_id="1", kind="repost", media=media)])
        await events(collect, settings, 2)
    assert len(fetched) == 2


async def test_posts_do_not_wait_for_another_posts_image(settings, send, replica, collect):
    release = asyncio.Event()

    class Slow(NoImages):
        async def fetch(self, links, since):
            await release.wait()
            return tuple(MediaOutcome(link.url, "late", reason="slow") for link in links)

    await send([a_post(0, media=[{"url": "https://a.example/1.jpg"}]), *(a_post(i) for i in range(1, 50))])
    async with replica(fetcher=Slow):
        assert "0" not in {each.post.id for each in await events(collect, settings, 49)}
    # Stopped before its image came: the successor labels that post, and only that.
    release.set()
    async with replica(fetcher=Slow):
        found = await events(collect, settings, 50)
        await asyncio.sleep(0.5)
        found = await events(collect, settings, 50)
    assert sorted(int(each.post.id) for each in found) == list(range(50))


async def test_a_record_kafka_refuses_is_a_dead_letter_and_the_rest_goes_on(settings, send, replica, collect):
    await limit(settings, settings.topics.events, 20_000)
    long = "".join(chr(0x4E00 + (i * 7919) % 20000) for i in range(30_000))
    await send([a_post(i, long if i == 5 else "flood") for i in range(20)])
    async with replica():
        assert len(await events(collect, settings, 19)) == 19
        (letter,) = await collect(settings.topics.dead_letters, 1)
    assert read_dead_letter(letter.headers).stage == "publish"
    assert json.loads(letter.value)["id"] == "5"


async def limit(settings, topic, size):
    """Let a topic take no record batch above ``size`` bytes."""
    async with admin_client(settings.kafka) as admin:
        change = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"max.message.bytes": str(size)})
        await admin.alter_configs([change])


async def test_a_dead_letter_always_fits(settings, collect, replica):
    """Value, then headers, then key are left out where the topic of dead letters takes less than the feed."""
    noise = random.Random(1).randbytes
    strange = [  # each a dead letter by its value, and too large for its topic in more and more of its parts
        (b"[" + noise(90_000), b"value", [("mine", b"1")]),
        (b"[", b"headers", [("mine", noise(90_000))]),
        (b"[", b"key" + noise(90_000), [("mine", b"1")]),
        (b"[", b"first", [("dl-first", noise(90_000)), ("dl-attempts", b"9" * 90_000)]),
    ]
    await limit(settings, settings.topics.posts, 1_000_000)
    await limit(settings, settings.topics.dead_letters, 20_000)
    async with AIOKafkaProducer(**client_options(settings.kafka), max_request_size=2**20) as producer:
        await producer.send_and_wait(settings.topics.posts, a_post(1), key=b"k" + noise(90_000))
        for value, key, headers in strange:
            await producer.send_and_wait(settings.topics.posts, value, key=key, headers=headers)
        await producer.send_and_wait(settings.topics.posts, a_post(2))
    async with replica():
        assert {each.post.id for each in await events(collect, settings, 2)} == {"1", "2"}
        letters = await collect(settings.topics.dead_letters, 4)
    read = [(each, read_dead_letter(each.headers)) for each in letters]
    by_missing = {tuple(part for part, _ in letter.left_out): (each, letter) for each, letter in read}
    assert set(by_missing) == {(), ("value",), ("value", "headers"), ("value", "headers", "key")}
    record, letter = by_missing["value",]
    assert (record.key, record.value, letter.original_headers) == (b"value", b"", (("mine", b"1"),))
    assert dict(letter.left_out)["value"] == f"90001 bytes, sha256 {sha256(strange[0][0]).hexdigest()}"
    assert {letter.stage for _, letter in read} == {"parse"}, "why it failed, not that Kafka refused it at first"
    assert by_missing["value", "headers", "key"][0].key is None
    assert await send_again(settings, Wanted(), max_attempts=9, dry_run=True) == (0, 1, 3)


async def test_health_readiness_metrics_and_swap(settings, send, replica, collect):
    class Newer(FixedScorer):
        info = type(FixedScorer.info)("fixed", "2", "1" * 64)

    def load(source, **_):
        if source == "missing":
            raise FileNotFoundError("no such folder")
        return Newer() if source == "newer" else FixedScorer()

    async with replica(load=load) as running, aiohttp.ClientSession(f"http://127.0.0.1:{running.admin.port}") as web:
        await send([a_post(1)])
        await events(collect, settings, 1)
        for path in ("/healthz", "/readyz"):
            async with web.get(path) as answer:
                assert (answer.status, await answer.text()) == (200, "ok\n")
        async with web.get("/metrics") as answer:
            text = await answer.text()
        assert 'crisis_stream_model_info{hash="' in text
        assert 'crisis_stream_consumer_lag{partition="0"} 0.0' in text
        async with web.post("/model", json={"source": "missing"}) as answer:
            assert answer.status == 409
            assert "no such folder" in await answer.text()
        async with web.post("/model", data="source=newer") as answer:
            assert answer.status == 415
        for body, kind in (
            (b"{}", "application/json; charset=nosuch"),
            (b"[" * 4000, "application/json"),
            (b"[1]", "application/json"),
        ):
            async with web.post("/model", data=body, headers={"Content-Type": kind}) as answer:
                assert answer.status == 400
        async with web.post("/model", json={"source": "newer"}, headers={"Host": "evil.example"}) as answer:
            assert answer.status == 403
        async with web.post("/model", json={"source": "newer"}) as answer:
            assert (await answer.json())["version"] == "2"
        await send([a_post(2, root_id="1", kind="repost")])
        found = await events(collect, settings, 2)
    assert {each.post.id: each.model.version for each in found} == {"1": "1", "2": "2"}


async def test_hangup_reads_the_model_again_and_keeps_the_old_one_if_it_cannot(settings, send, replica, collect):
    infos = [("fixed", "2", "1" * 64), None]

    class Newer(FixedScorer):
        def __init__(self, info):
            self.info = type(FixedScorer.info)(*info)

    def load(source, **_):
        if load.first:
            load.first = False
            return FixedScorer()
        info = infos.pop(0)
        if info is None:
            raise FileNotFoundError("half written")
        return Newer(info)

    load.first = True
    async with replica(load=load) as running:
        await send([a_post(1)])
        await events(collect, settings, 1)
        for left in (1, 0):
            os.kill(os.getpid(), signal.SIGHUP)
            await eventually(lambda left=left: len(infos) == left)
            await eventually(lambda: running.models.entry.version == "2")
            await send([a_post(3 - left)])
            await events(collect, settings, 3 - left)
        found = await events(collect, settings, 3)
    assert {each.post.id: each.model.version for each in found} == {"1": "1", "2": "2", "3": "2"}


async def test_redriven_dead_letters_become_events_or_dead_letters_with_their_attempts(
    settings, send, replica, collect
):
    await send([a_post(1, "BAD"), b"broken", a_post(2)])
    async with replica(load=loads(Raises)):
        await events(collect, settings, 1)
        await collect(settings.topics.dead_letters, 2)
    async with replica():  # a model that takes it
        assert await send_again(settings, Wanted(), max_attempts=3) == (2, 0, 0)
        found = await events(collect, settings, 2)
        letters = await collect(settings.topics.dead_letters, 3)
        # Its first letter is still there, but the latest counts; that of the post that went through remains too.
        assert await send_again(settings, Wanted(stage="parse"), max_attempts=2) == (0, 1, 0)
    assert {each.post.id for each in found} == {"1", "2"}
    assert sorted(
        (read_dead_letter(each.headers).stage, read_dead_letter(each.headers).attempts) for each in letters
    ) == [
        ("model", 1),
        ("parse", 1),
        ("parse", 2),
    ]


async def test_after_a_feeders_transaction_nothing_waits(settings, replica, collect):
    feeder = AIOKafkaProducer(**client_options(settings.kafka), transactional_id=settings.worker.replica)
    async with feeder, replica() as running:
        for number in range(4):  # the marker that closes each takes an offset
            async with feeder.transaction():
                await feeder.send_and_wait(settings.topics.posts, a_post(number), partition=number % 2)
        await events(collect, settings, 4)
        await eventually(lambda: running.feed.lag() and not any(running.feed.lag().values()))


async def test_while_the_model_is_behind_batches_are_published_together(settings, send, replica, collect):
    rules = settings.labelling.model_copy(update={"batch_size": 8, "deadline_ms": 1000})  # full ones only
    small = settings.model_copy(update={"labelling": rules})
    await send([a_post(i) for i in range(400)])
    began = time.monotonic()
    async with replica(settings=small, load=loads(Slow)) as running:
        found = await events(collect, settings, 400)
        halves = 2 * (time.monotonic() - began)
        lines = running.metrics_text().decode().splitlines()
    counts = {name: float(number) for name, _, number in (line.rpartition(" ") for line in lines if line[0] != "#")}
    assert len({each.post.id for each in found}) == 400
    assert counts["crisis_stream_batch_posts_count"] == 50
    assert counts["crisis_stream_transaction_seconds_count"] < max(30, 10 + halves), "every half second, if slow"


async def test_a_shadow_model_is_compared_and_never_published(settings, send, replica, collect):
    class Other(FixedScorer):
        info = type(FixedScorer.info)("other", "9", "2" * 64)

        def score(self, posts):
            return super().score([type(post)("nothing") for post in posts])

    shadowed = settings.model_copy(
        update={"model": settings.model.model_copy(update={"shadow": "other", "shadow_sample": 1.0})}
    )
    await send([a_post(i) for i in range(10)])
    async with replica(
        settings=shadowed, load=lambda source, **_: Other() if source == "other" else FixedScorer()
    ) as running:
        found = await events(collect, settings, 10)
        compared = 'crisis_stream_shadow_posts_total{agree="no",concept="humanitarian"} 10.0'
        await eventually(lambda: compared in running.metrics_text().decode())
    assert {each.model.name for each in found} == {"fixed"}


async def test_a_broken_model_stops_the_replica_rather_than_burying_the_feed(settings, send, collect):
    class Broken(FixedScorer):
        def score(self, posts):
            raise RuntimeError("out of memory")

    service = Replica(settings, load=loads(Broken), make_fetcher=NoImages)
    await service.start()
    await send([a_post(i) for i in range(10)])
    await eventually(lambda: service.crashed)
    assert service.ill()
    await service.stop()
    assert await collect(settings.topics.dead_letters) == []


async def test_two_replicas_share_a_feed_and_one_leaving_loses_and_repeats_nothing(settings, send, replica, collect):
    second = settings.model_copy(update={"worker": settings.worker.model_copy(update={"replica": "second"})})
    await send([a_post(i) for i in range(400)])
    async with replica():
        async with replica(settings=second) as other:
            await send([a_post(i) for i in range(400, 800)])
            await eventually(lambda: other.feed.partitions)
            await send([a_post(i) for i in range(800, 1200)])
            await collect(settings.topics.events, 900)
        found = await events(collect, settings, 1200)
        await asyncio.sleep(0.3)
        found = await events(collect, settings, 1200)
    assert sorted(int(each.post.id) for each in found) == list(range(1200))


async def test_a_worker_that_lost_its_place_in_the_group_cannot_publish(settings, send, collect):
    service = Replica(settings, make_fetcher=NoImages)
    await service.start()
    await eventually(lambda: service.feed.partitions)
    service.feed.membership.generation -= 1  # as if it had slept through a rebalance
    await send([a_post(i) for i in range(10)])
    await eventually(lambda: service.crashed)
    await service.stop()
    assert await collect(settings.topics.events) == []


async def test_what_is_read_stays_within_its_room(settings, send, replica, collect):
    release, most = asyncio.Event(), []

    class Slow(NoImages):
        async def fetch(self, links, since):
            most.append(running.room.taken)
            await release.wait()
            return tuple(MediaOutcome(link.url, "late", reason="slow") for link in links)

    small = settings.model_copy(update={"labelling": settings.labelling.model_copy(update={"max_in_flight": 20})})
    await send([a_post(i, media=[{"url": f"https://a.example/{i}.jpg"}]) for i in range(100)])
    async with replica(settings=small, fetcher=Slow) as running:
        await eventually(lambda: len(most) >= 20)
        await asyncio.sleep(0.5)
        assert max(most) <= 20
        release.set()
        assert len(await events(collect, settings, 100)) == 100


async def test_reading_far_ahead_starts_only_so_many_fetches(settings, send, replica, collect):
    """A post's deadline runs from when it was read: a flat-out replay must not make photos late for lack of us."""
    most = 0

    class Decoding(NoImages):
        async def fetch(self, links, since):
            nonlocal most
            self.decoding += 1
            most = max(most, self.decoding)
            await asyncio.sleep(0.02)
            self.decoding -= 1
            return await super().fetch(links, since)

    narrow = settings.model_copy(update={"labelling": settings.labelling.model_copy(update={"batch_size": 2})})
    await send([a_post(i, media=[{"url": f"https://a.example/{i}.jpg"}]) for i in range(400)])
    async with replica(settings=narrow, fetcher=Decoding):
        await events(collect, settings, 400)
    assert most < 4 + 128


async def test_history_waits_for_its_photos_and_the_present_does_not(settings, send, replica, collect):
    given: dict[str, float] = {}

    class Watched(NoImages):
        async def fetch(self, links, since):
            given[links[0].url] = since - time.monotonic()
            return await super().fetch(links, since)

    now, then = "https://a.example/now.jpg", "https://a.example/then.jpg"
    await send([a_post(0, media=[{"url": now}])])
    await send([a_post(1, media=[{"url": then}])], headers=[HEADER])
    async with replica(fetcher=Watched):
        await events(collect, settings, 2)
    longer = settings.media.history_deadline_s - settings.media.deadline_s
    assert given[now] <= 0 < longer - 5 < given[then] <= longer


async def test_the_room_is_counted_in_bytes_too(settings, send, replica, collect):
    most = 0

    class Watched(FixedScorer):
        def score(self, posts):
            nonlocal most
            most = max(most, running.room.held)
            return super().score(posts)

    small = settings.model_copy(update={"labelling": settings.labelling.model_copy(update={"max_in_flight_mb": 1.0})})
    await send([a_post(i, "flood " * 10_000) for i in range(200)])
    async with replica(settings=small, load=loads(Watched)) as running:
        assert len(await events(collect, settings, 200, 60)) == 200
        await eventually(lambda: not running.room.taken)
        assert running.room.held == 0
    assert most < 2**20 + 128 * 60_100, "no more than one chunk above it"


async def test_posts_wait_and_nothing_is_committed(settings, send, replica, collect):
    """The topic of events is deleted: that is told, and the process is to be restarted."""
    impatient = settings.model_copy(update={"worker": settings.worker.model_copy(update={"stall_s": 1.0})})
    await send([a_post(0)])
    async with replica(settings=impatient) as running:
        await events(collect, settings, 1)
        assert running.ill() is None
        async with admin_client(settings.kafka) as admin:
            await admin.delete_topics([settings.topics.events])
        await send([a_post(i) for i in range(1, 10)])
        await eventually(lambda: "nothing was committed" in (running.ill() or ""))


async def test_lag_counts_partitions_of_which_nothing_was_read(settings, send, replica):
    class Waits(FixedScorer):
        def score(self, posts):
            time.sleep(0.2)
            return super().score(posts)

    tiny = settings.model_copy(
        update={"labelling": settings.labelling.model_copy(update={"max_in_flight": 1, "batch_size": 1})}
    )
    await send([a_post(i) for i in range(200)])
    async with replica(settings=tiny, load=loads(Waits)) as running:
        await eventually(lambda: sum(running.feed.lag().values()) > 150)
        assert set(running.feed.lag()) == running.feed.partitions


async def test_a_fresh_post_does_not_wait_for_another_partitions_backlog(settings, replica, collect):
    class Slowly(FixedScorer):
        def score(self, posts):
            time.sleep(0.04)
            return super().score(posts)

    few = settings.model_copy(update={"labelling": settings.labelling.model_copy(update={"batch_size": 8})})
    async with AIOKafkaProducer(**client_options(settings.kafka), linger_ms=5) as producer:
        sent = [await producer.send(settings.topics.posts, a_post(i), partition=0) for i in range(1500)]
        await asyncio.gather(*sent)
        async with replica(settings=few, load=loads(Slowly)) as running:
            await eventually(lambda: running.publisher.commits)
            await producer.send_and_wait(settings.topics.posts, a_post("fresh"), partition=1)
            records = await collect(settings.topics.events, 1501)
    out = {Event.model_validate_json(each.value).post.id: each.timestamp for each in records}
    assert sum(moment < out["fresh"] for moment in out.values()) < 1400, "the backlog was not through"
