"""Short forms of the programs that CI runs, and the long ones for those who have minutes."""

from math import inf

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner

from stream_app.cli.chaos import command
from stream_app.kafka.clients import client_options
from stream_app.proving.chaos.backlog import passed_by
from stream_app.proving.chaos.feeder import feed, numbered
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.truth import Truth

pytestmark = pytest.mark.kafka


def run(broker, logs, *arguments, own_broker=False, exit_code=0):
    where = [] if own_broker else ["--bootstrap", broker.bootstrap_servers]
    done = CliRunner().invoke(command, [*where, "--logs", str(logs), *arguments])
    assert done.exit_code == exit_code, f"{done.output}{done.exception!r}"
    return done.output


# No form is short enough to judge time or memory on a machine that others use: what is held there is what came out,
# how often hosts were asked, and that no worker died.
UNTIMED = ["--ratio", "inf", "--lateness-s", "inf"]
SHORT = [
    ["kill", "--kills", "2", "--posts", "400", "--workers", "2"],
    ["poison", "--count", "14", "--large", "8"],
    ["rebalance", "--posts", "400", "--rounds", "1"],
    ["bisect", "--posts", "200", "--bad", "3"],
    ["drain", "--posts", "1500"],
    ["slow-hosts", "--rate", "40", "--seconds", "0.5", "--hosts", "10", "--deadline-s", "0.4", *UNTIMED],
    ["long-posts", "--posts", "100"],
    ["stall", "--posts", "64", "--stall-s", "1"],
    ["backlog", "--posts", "6000", "--fresh", "2"],
    ["soak", "--seconds", "6", "--rate", "40", "--growth-mb", "inf"],
]


@pytest.mark.parametrize("arguments", SHORT, ids=lambda arguments: arguments[0])
def test_short(broker, tmp_path, arguments):
    assert "nothing lost, nothing twice" in run(broker, tmp_path, *arguments)


def test_short_broker_outage(broker, tmp_path):
    run(broker, tmp_path, "broker", "--posts", "600", "--down-s", "1", own_broker=True)


def test_a_backlog_too_short_for_a_verdict_is_told_and_no_success(broker, tmp_path):
    said = run(broker, tmp_path, "backlog", "--posts", "1", "--fresh", "1", exit_code=1)
    assert "verdict  no fresh post came while more than 4096 waited: give it more posts" in said


def test_of_a_backlog_only_those_on_their_way_may_go_before_a_fresh_post():
    backlog_s = [each / 10 for each in range(100)]  # ten a second
    fair, unfair, read_at_the_end = (1.05, 5.05), (1.05, 8.05), (7.95, 20.0)
    assert passed_by(backlog_s, [fair, unfair, read_at_the_end], 30) == [30, 60]
    assert passed_by([*backlog_s[:60], *[inf] * 40], [(1.05, inf)], 30) == [39], "what never came out went before none"
    assert passed_by(backlog_s, [(1.05, 1.5)], 30) == [0]


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_long_kill(broker, tmp_path, workers):
    run(broker, tmp_path, "kill", "--workers", workers)


@pytest.mark.long
def test_long_soak(broker, tmp_path):
    run(broker, tmp_path, "soak")


async def judged(settings, posts, letters, **changed):
    """What the checker says of a feed of which ``posts`` became events, by a worker of this process."""
    truth = Truth(settings)
    truth.events.update(posts)
    truth.letters.update(letters)
    for name, value in changed.items():
        setattr(truth, name, value)
    verdict = truth.verdict(["a", "b", "c"], ["d"])
    await truth._consumer.stop()
    return verdict


async def test_the_checker_is_content_with_one_end_each(settings):
    verdict = await judged(settings, {"a": 1, "b": 1, "c": 1}, {"d": 1})
    assert verdict.wrong == ()
    assert (verdict.figures["lost"], verdict.figures["duplicates"]) == (0, 0)


@pytest.mark.parametrize(
    ("events", "letters", "changed", "problem"),
    [
        ({"a": 1, "b": 1}, {"d": 1}, {}, "1 lost, e.g. ['c']"),
        ({"a": 2, "b": 1, "c": 1}, {"d": 1}, {}, "1 published twice, e.g. ['a']"),
        ({"a": 1, "b": 1}, {"c": 1, "d": 1}, {}, "1 dead letters that should be events, e.g. ['c']"),
        ({"a": 1, "b": 1, "c": 1, "d": 1}, {}, {}, "1 events that should be dead letters, e.g. ['d']"),
        ({"a": 1, "b": 1, "c": 1, "x": 1}, {"d": 1}, {}, "1 that nobody sent, e.g. ['x']"),
        ({"a": 1, "b": 1, "c": 1}, {"d": 1}, {"mislabelled": ["a"]}, "1 with another post's labels, e.g. ['a']"),
        ({"a": 1, "b": 1, "c": 1}, {"d": 1}, {"due": {("alerts", "1")}}, "1 alerts missing or not due"),
    ],
)
async def test_the_checker_sees_each_fault(settings, events, letters, changed, problem):
    verdict = await judged(settings, events, letters, **changed)
    assert len(verdict.wrong) == 1
    assert problem in verdict.wrong[0]


async def test_the_checker_sees_posts_that_are_not_committed_as_done(settings, tmp_path):
    with Fleet(settings, 1, tmp_path) as fleet:
        async with Truth(settings) as truth:
            await feed(settings, numbered(range(20)))
            assert await truth.wait(20, 60)
            fleet.stop_all()
            assert await truth.settle(5) == ([], 0)
            await feed(settings, numbered([20]))
            ((wrong,), _) = await truth.settle(5)
    assert "and is committed at" in wrong
    assert (truth.mislabelled, truth.due) == ([], set(truth.ids))


async def test_the_checker_sees_a_transaction_that_was_rolled_back_and_one_that_is_open(settings):
    async with Truth(settings) as truth:
        options = {**client_options(settings.kafka), "transactional_id": "chaos", "transaction_timeout_ms": 60_000}
        async with AIOKafkaProducer(**options) as producer:
            await producer.begin_transaction()
            await producer.send_and_wait(settings.topics.events, b"{}")
            await producer.abort_transaction()
            assert await truth.settle(5) == ([], 1)
            await producer.begin_transaction()
            await producer.send_and_wait(settings.topics.events, b"{}")
            assert await truth.settle(1) == (["a transaction was still open after 1 s"], 0)
            await producer.abort_transaction()


def test_stopping_somebody_elses_kafka_is_refused(tmp_path):
    said = CliRunner().invoke(command, ["--bootstrap", "x:1", "--logs", str(tmp_path), "broker"])
    assert said.exit_code == 2
    assert "leave out --bootstrap" in said.output
