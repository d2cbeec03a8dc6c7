"""Dead letters can be listed, explained and sent round again."""

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from stream_app.cli.dead_letters import command
from stream_app.kafka.clients import client_options
from stream_app.pipeline.events.dead_letter import Failure, attempts_of, dead_letter

pytestmark = pytest.mark.kafka


class Original:
    topic, partition, key, value = "feed", 0, b"k", b"\xff{broken"

    def __init__(self, offset, headers=()):
        self.offset, self.headers = offset, headers


@pytest.fixture
def buried(settings):
    """Three dead letters: two that failed to parse, one of them twice already, and one the model failed on."""
    letters = [
        dead_letter(settings.topics.dead_letters, Original(1, [("mine", b"1")]), Failure("parse", "not JSON")),
        dead_letter(settings.topics.dead_letters, Original(2, [("dl-attempts", b"2")]), Failure("parse", "not JSON")),
        dead_letter(settings.topics.dead_letters, Original(3), Failure("model", "shape mismatch", "fixed 1")),
    ]

    async def send():
        async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
            for each in letters:
                await producer.send_and_wait(each.topic, each.value, key=each.key, headers=each.headers)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(send())
    return settings


def call(settings, *arguments):
    base = ["--bootstrap", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix]
    return CliRunner().invoke(command, [*base, *arguments])


def test_list_filters_and_counts(buried):
    assert "3 dead letters" in call(buried, "list").output
    only = call(buried, "list", "--stage", "model").output
    assert "shape mismatch" in only
    assert "not JSON" not in only
    assert "2 dead letters, parse 2" in call(buried, "list", "--reason", "JSON").output
    assert "0 dead letters" in call(buried, "list", "--since", "2990-01-01").output


def test_show_tells_everything_of_one(buried):
    where = next(line.split()[0] for line in call(buried, "list").output.splitlines() if "shape" in line)
    shown = call(buried, "show", where).output
    assert "came from    feed partition 0 offset 3" in shown
    assert "model fixed 1" in shown
    assert "\\xff{broken" in shown
    missing = call(buried, "show", "0:999")
    assert missing.exit_code == 1
    assert "no dead letter at 0:999" in missing.output


def test_what_strangers_wrote_does_not_steer_the_terminal(settings):
    class Evil(Original):
        value = b'{"text": "\x1b]0;mine\x07\x1b[2J\xc2\x9b31m"}'

    letter = dead_letter(
        settings.topics.dead_letters, Evil(1, [("\x1b[2J", b"\x1b[2J")]), Failure("parse", "no \x1b[31mpost\r\n")
    )

    async def send():
        async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
            await producer.send_and_wait(letter.topic, letter.value, key=letter.key, headers=letter.headers)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(send())
    listed = call(settings, "list").output
    shown = call(settings, "show", listed.split()[0]).output
    for line in (listed + shown).splitlines():
        assert line.isprintable()
    assert r"\x1b]0;mine\x07" in shown


async def test_letters_that_are_being_committed_are_there(settings, in_a_transaction):
    topic = settings.topics.dead_letters
    letter = dead_letter(topic, Original(1), Failure("parse", "not JSON"))
    async with in_a_transaction(topic, letter.value, key=letter.key, headers=letter.headers):
        listing = asyncio.create_task(asyncio.to_thread(call, settings, "list"))
        await asyncio.wait({listing}, timeout=3)
    assert "1 dead letters" in (await listing).output


def test_a_foreign_record_ends_nothing(buried):
    foreign = [
        [("dl-stage", b"parse")],
        [("dl-stage", b"parse"), ("dl-error", b"x"), ("dl-attempts", b"many")],
        [("mine", None)],
        [],
    ]

    async def send():
        async with AIOKafkaProducer(**client_options(buried.kafka)) as producer:
            for headers in foreign:
                await producer.send_and_wait(buried.topics.dead_letters, b"not ours", headers=headers)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(send())
    listed = call(buried, "list")
    assert listed.exit_code == 0, listed.output
    assert "3 dead letters" in listed.output
    assert listed.stderr.count("which cannot be read") == 4
    assert "2 sent" in call(buried, "redrive").output


def test_redrive_sends_originals_once_with_their_attempts(buried):
    assert "2 would be sent" in call(buried, "redrive", "--dry-run").output
    assert "2 sent" in call(buried, "redrive").output

    async def feed():
        from aiokafka import AIOKafkaConsumer

        async with AIOKafkaConsumer(
            buried.topics.posts,
            **client_options(buried.kafka),
            auto_offset_reset="earliest",
            isolation_level="read_committed",
        ) as consumer:
            return [await asyncio.wait_for(consumer.getone(), 60) for _ in range(2)]

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        records = runner.run(feed())
    assert {record.value for record in records} == {Original.value}
    assert [attempts_of(record.headers) for record in records] == [1, 1]
    assert ("mine", b"1") in [header for record in records for header in record.headers]
