"""Replays on the real broker: whole, resumed after a kill, between two times, past transaction markers."""

from __future__ import annotations

import asyncio
import gc
import gzip
import hashlib
import json
import signal
import time
from datetime import UTC, datetime

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from commands import Command

from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.events.dead_letter import read_dead_letter
from stream_app.pipeline.feed.history import HEADER
from stream_app.replay import BrokenOffError, ReplayError, replay
from stream_app.replay.files import FileHistory
from stream_app.replay.topics import TopicHistory
from stream_app.settings import TopicSettings

pytestmark = pytest.mark.kafka
T0 = 1_767_225_600  # 2026-01-01T00:00:00Z


def line(n: int) -> bytes:
    """A post that says its number: a file in which nothing is a post would be refused."""
    return b'{"network":"other","id":"%d","text":"x","created_at":"2026-03-01T06:00:00Z","n":%d}' % (n, n)


def moment(seconds):
    return datetime.fromtimestamp(T0 + seconds, UTC)


def numbered(path, count):
    path.write_bytes(b"".join(line(n) + b"\n" for n in range(count)))
    return path


def timed(path, count):
    """Numbered posts, one a second."""
    post = {"network": "other", "text": "x"}
    posts = [{**post, "id": str(n), "n": n, "created_at": moment(n).isoformat()} for n in range(count)]
    path.write_text("".join(json.dumps(post) + "\n" for post in posts))
    return path


async def values(collect, topic, **options):
    return sorted((r.value for r in await collect(topic, **options)), key=lambda value: json.loads(value)["n"])


async def test_a_file_arrives_whole_and_in_order(settings, collect, tmp_path):
    path = numbered(tmp_path / "a.jsonl", 2500)
    report = await replay(settings.kafka, FileHistory([path], settings.topics.posts), settings.topics.posts)
    assert (report.sent, report.finished) == (2500, True)
    records = await collect(settings.topics.posts)
    assert sorted(r.value for r in records) == sorted(path.read_bytes().splitlines())
    for partition in {r.partition for r in records}:
        numbers = [json.loads(r.value)["n"] for r in records if r.partition == partition]
        assert numbers == sorted(numbers)


async def test_resume_after_the_end_sends_nothing_and_a_fresh_start_sends_all(settings, collect, tmp_path):
    topic = settings.topics.posts
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b"\n".join(map(line, range(3)))))
    assert (await replay(settings.kafka, FileHistory([path], topic), topic)).sent == 3
    again = await replay(settings.kafka, FileHistory([path], topic), topic, resume=True)
    assert (again.sent, again.resumed_at, again.finished) == (0, 3, True)
    assert (await replay(settings.kafka, FileHistory([path], topic), topic)).sent == 3
    assert len(await collect(topic)) == 6


async def test_stopped_and_resumed_it_is_exact(settings, collect, tmp_path):
    topic, path, stop = settings.topics.posts, numbered(tmp_path / "a.jsonl", 3000), asyncio.Event()

    def stop_halfway(report):
        if report.sent == 1234:
            stop.set()

    first = await replay(settings.kafka, FileHistory([path], topic), topic, stop=stop, progress=stop_halfway)
    assert (first.sent, first.finished) == (1234, False)
    second = await replay(settings.kafka, FileHistory([path], topic), topic, resume=True)
    assert (second.sent, second.resumed_at, second.finished) == (1766, 1234, True)
    assert await values(collect, topic) == path.read_bytes().splitlines()


async def test_what_is_too_large_for_kafka_or_for_memory_is_a_dead_letter_with_its_number(settings, collect, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(line(1) + b"\n" + b"x" * 2_000_000 + b"\n" + line(2) + b"\n")
    with path.open("ab") as file:
        file.truncate(path.stat().st_size + 20_000_000)
        file.seek(0, 2)
        file.write(b"\n" + line(3))
    done = command(settings, path, "--quiet")
    out, err = await asyncio.to_thread(done.communicate)
    letters = [(each.value, read_dead_letter(each.headers)) for each in await collect(settings.topics.dead_letters, 2)]
    assert done.returncode == 1
    assert "sent 3 posts" in out
    assert err.splitlines() == [
        f"too large for Kafka, now dead letters in {settings.topics.dead_letters}: 2",
        f"  {path} line 2: 2,000,000 bytes",
        f"  {path} line 4: 20,000,000 bytes",
    ]
    assert await values(collect, settings.topics.posts) == [line(1), line(2), line(3)]
    assert {letter.source for _, letter in letters} == {(str(path), 0, 2), (str(path), 0, 4)}
    assert {value for value, _ in letters} == {b""}
    told = {letter.source[2]: letter.left_out for _, letter in letters}
    assert told[2] == (("value", f"2000000 bytes, sha256 {hashlib.sha256(b'x' * 2_000_000).hexdigest()}"),)
    assert told[4] == (("value", "20000000 bytes"),)
    again = command(settings, path, "--resume", "--quiet")
    assert "sent 0 posts" in (await asyncio.to_thread(again.communicate))[0]
    assert len(await collect(settings.topics.dead_letters)) == 2


async def test_backward_times_are_told_once_with_their_number_and_the_first(settings, collect, tmp_path):
    path = timed(tmp_path / "a.jsonl", 6)
    rows = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([rows[0], rows[4], rows[1], rows[5], rows[2]]))
    done = command(settings, path, "--speed", "100", "--quiet")
    _, err = await asyncio.to_thread(done.communicate)
    assert done.returncode == 0
    assert err == (
        f"2 posts are older than one before them, the first at {path} line 3: they were sent at once, in the order of "
        "the history\n"
    )
    assert len(await collect(settings.topics.posts)) == 5


async def test_a_source_that_breaks_keeps_what_came_before(settings, collect, tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    whole = gzip.compress(b"".join(line(n) + b"\n" for n in range(20_000)))
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ReplayError, match="cannot be read after line"):
        await replay(settings.kafka, FileHistory([path], settings.topics.posts), settings.topics.posts)
    found = await values(collect, settings.topics.posts)
    assert found == [line(n) for n in range(len(found))]
    assert len(found) > 100


async def test_the_original_pace_is_kept(settings, tmp_path):
    path = tmp_path / "a.jsonl"
    post = {"network": "other", "text": "x"}
    lines = [{**post, "id": str(n), "created_at": moment(10 * n).isoformat()} for n in range(6)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    topic, sent_at = settings.topics.posts, []
    history = FileHistory([path], topic, timed=True)
    await replay(settings.kafka, history, topic, speed=25, progress=lambda _: sent_at.append(time.monotonic()))
    # No sooner, and not at the pace of another speed: how exact each wait is test_replay_pace.py says.
    assert 50 / 25 - 0.1 < sent_at[-1] - sent_at[0] < 50 / 2


async def send_at(settings, topic, records):
    """One record a transaction, so that markers lie between all of them; (second, value, partition)."""
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=f"seed-{topic}"
    ) as producer:
        for second, value, partition in records:
            async with producer.transaction():
                await producer.send_and_wait(
                    topic,
                    value,
                    key=b"k",
                    partition=partition,
                    timestamp_ms=(T0 + second) * 1000,
                    headers=[("h", b"1")],
                )
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b'{"n": -1}', partition=0, timestamp_ms=(T0 + 5) * 1000)
        await producer.abort_transaction()


@pytest.fixture
async def copy(settings):
    """A second set of topics to replay into."""
    prefix = f"{settings.topics.prefix}copy."
    other = settings.model_copy(update={"topics": TopicSettings(prefix=prefix)})
    await ensure_topics(other)
    return other


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [(None, None, range(10)), (2, 7, range(2, 7)), (9, None, [9]), (10, None, []), (None, 0, []), (0, 1, [0])],
)
async def test_topics_between_two_times_end_by_position(settings, copy, collect, since, until, expected):
    source = settings.topics.posts  # partition 1 of 2 stays empty in half of the cases
    await send_at(settings, source, [(n, line(n), n % 2 if until is None else 0) for n in range(10)])
    times = [None if second is None else moment(second) for second in (since, until)]
    history = TopicHistory(settings.kafka, [source], copy.topics.posts, *times)
    await history.find()
    report = await asyncio.wait_for(replay(settings.kafka, history, copy.topics.posts), 30)
    assert (report.sent, report.finished) == (len(expected), True)
    found = await collect(copy.topics.posts)
    assert sorted(json.loads(r.value)["n"] for r in found) == list(expected)
    assert all((r.key, r.headers) == (b"k", (("h", b"1"), HEADER)) for r in found)


async def test_partitions_are_merged_by_time_and_resumed_exactly(settings, copy, collect):
    source, target = settings.topics.posts, copy.topics.posts
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        for n in range(1500):
            await producer.send(source, line(n), partition=n % 2, timestamp_ms=(T0 + n) * 1000)
        await producer.flush()
    stop = asyncio.Event()
    history = TopicHistory(settings.kafka, [source], target, None, None)
    await history.find()
    merged = [json.loads(item.value)["n"] async for item in history.items({})]
    assert merged == list(range(1500))
    first = await replay(
        settings.kafka, history, target, stop=stop, progress=lambda report: report.sent == 1100 and stop.set()
    )
    assert first.sent == 1100
    second = TopicHistory(settings.kafka, [source], target, None, None)
    await second.find()
    assert (await replay(settings.kafka, second, target, resume=True)).sent == 400
    assert await values(collect, target) == [line(n) for n in range(1500)]


async def test_an_open_transaction_is_not_waited_for(settings, copy):
    source = settings.topics.posts
    options = {"bootstrap_servers": settings.kafka.bootstrap_servers}
    async with AIOKafkaProducer(**options, transactional_id=f"open-{source}") as producer:
        async with producer.transaction():
            await producer.send_and_wait(source, b'{"n": 0}', partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(source, b'{"n": 1}', partition=0)
        history = TopicHistory(settings.kafka, [source], copy.topics.posts, None, None)
        await history.find()
        report = await asyncio.wait_for(replay(settings.kafka, history, copy.topics.posts), 30)
        await producer.abort_transaction()
    assert (report.sent, report.finished) == (1, True)


async def test_a_source_that_is_not_there_is_named(settings):
    with pytest.raises(ReplayError, match=r"there is no topic nowhere\."):
        await TopicHistory(settings.kafka, ["nowhere."], settings.topics.posts, None, None).find()


def command(settings, *arguments):
    environment = {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
    }
    return Command("replay", *arguments, environment=environment)


async def committed(settings, topic):
    async with AIOKafkaConsumer(
        bootstrap_servers=settings.kafka.bootstrap_servers, isolation_level="read_committed"
    ) as consumer:
        return sum((await consumer.end_offsets([TopicPartition(topic, 0), TopicPartition(topic, 1)])).values())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_the_command_killed_anywhere_resumes_exactly(settings, collect, tmp_path, how):
    topic, path = settings.topics.posts, timed(tmp_path / "a.jsonl", 600)
    running = command(settings, path, "--speed", "40", "--quiet")
    while await committed(settings, topic) < 50:
        assert running.poll() is None, running.communicate()
        await asyncio.sleep(0.02)
    running.send_signal(how)
    out, err = await asyncio.to_thread(running.communicate)
    assert running.returncode == (-9 if how == signal.SIGKILL else 130)
    assert how == signal.SIGKILL or "--resume goes on from here" in err
    rest = command(settings, path, "--resume", "--quiet")
    out, err = await asyncio.to_thread(rest.communicate)
    assert (rest.returncode, err) == (0, "")
    assert 0 < int(out.split()[1]) < 600
    assert await values(collect, topic) == path.read_bytes().splitlines()


async def test_a_second_start_ends_the_first_which_is_resumed_exactly(settings, collect, tmp_path, caplog):
    topic, path = settings.topics.posts, timed(tmp_path / "a.jsonl", 600)
    history = FileHistory([path], topic, timed=True)
    first = asyncio.create_task(replay(settings.kafka, history, topic, speed=40))
    while await committed(settings, topic) < 50:
        assert not first.done()
        await asyncio.sleep(0.02)
    options = {"bootstrap_servers": settings.kafka.bootstrap_servers, "transactional_id": history.name}
    async with AIOKafkaProducer(**options):
        with pytest.raises(BrokenOffError, match=r"ProducerFenced.*another replay of the same history"):
            await first
    del first
    gc.collect()
    assert not [record for record in caplog.records if "never retrieved" in record.message]
    rest = await replay(settings.kafka, FileHistory([path], topic), topic, resume=True)
    assert 0 < rest.resumed_at == 600 - rest.sent
    assert await values(collect, topic) == path.read_bytes().splitlines()


async def test_an_isolated_prefix_makes_its_own_topics(settings, collect, tmp_path):
    path = numbered(tmp_path / "a.jsonl", 5)
    prefix = f"{settings.topics.prefix}isolated."
    done = command(settings, path, "--prefix", prefix)
    out, err = await asyncio.to_thread(done.communicate)
    assert done.returncode == 0, err
    assert f"sent 5 posts to {prefix}posts" in out
    assert len(await collect(f"{prefix}posts")) == 5
    assert await collect(settings.topics.posts) == []
