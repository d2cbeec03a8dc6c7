"""The Faust application counts verdicts, each once, over kills and restarts."""

from __future__ import annotations

import asyncio
import signal
import sys
from contextlib import contextmanager

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownTopicOrPartitionError
from click.testing import CliRunner
from commands import Command
from factories import headers_of, make_event

from stream_app.cli.feedback import command
from stream_app.feedback.store import add_verdict
from stream_app.feedback.tables import read_counts
from stream_app.feedback.verdict import Verdict
from stream_app.kafka.clients import client_options

pytestmark = pytest.mark.kafka


@contextmanager
def counting(settings):
    """A running ``crisis-stream incidents``, ended at once as a power cut would."""
    environment = {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "CRISIS_STREAM_KAFKA__PARTITIONS": "2",
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
    }
    process = Command("incidents", "--http-port", "0", environment=environment, log=sys.__stderr__)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


async def publish(settings, *events):
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        for event in events:
            value = event.model_dump_json().encode()
            await producer.send_and_wait(settings.topics.events, value, key=b"k", headers=headers_of(event))


async def judge(settings, event, analyst, **labels):
    await add_verdict(settings, Verdict(event=event, analyst=analyst, labels=labels))


async def until(settings, expected):
    """Wait until the counts are these: {(task, model, given, right): count}."""
    found = None
    try:
        async with asyncio.timeout(60):
            while found != expected:
                try:
                    found = {
                        (each.concept, each.model, each.given, each.right): each.count
                        for each in await read_counts(settings)
                    }
                except UnknownTopicOrPartitionError:
                    found = None
                await asyncio.sleep(0.2)
    except TimeoutError:
        assert found == expected


async def test_verdicts_are_counted_once_and_the_counts_outlive_a_kill(settings, monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", settings.topics.prefix)
    early = await asyncio.to_thread(CliRunner().invoke, command, ["counts"])
    assert (early.exit_code, "`crisis-stream incidents` counts" in early.output) == (1, True)
    one, two = make_event("p1", damage="mild_damage"), make_event("p2", damage="mild_damage", version="2")
    agree = ("damage", "fixed 1", "mild_damage", "mild_damage")
    worse = ("damage", "fixed 1", "mild_damage", "severe_damage")
    newer = ("damage", "fixed 2", "mild_damage", "little_or_no_damage")
    rescue = ("humanitarian", "fixed 2", "affected_individuals", "rescue_volunteering_or_donation_effort")
    gone = ("damage", None, None, "mild_damage")
    await publish(settings, one, two)
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        for poison in (b"\xff", b"{}", None):
            await producer.send_and_wait(settings.topics.feedback, poison, key=b"k")
    with counting(settings):
        await judge(settings, one.id, "ann", damage="mild_damage")
        await judge(settings, one.id, "bo", damage="severe_damage")
        await judge(settings, two.id, "ann", damage=newer[3], humanitarian=rescue[3])
        await judge(settings, "never was", "ann", damage="mild_damage")
        await until(settings, {agree: 1, worse: 1, newer: 1, rescue: 1, gone: 1})
    await judge(settings, one.id, "cy", damage="severe_damage")
    await judge(settings, one.id, "ann", damage="severe_damage")  # she thought again
    after = {worse: 3, newer: 1, rescue: 1, gone: 1}
    with counting(settings):
        await until(settings, after)
    with counting(settings):
        await asyncio.sleep(8)
        await until(settings, after)
    shown = await asyncio.to_thread(CliRunner().invoke, command, ["counts"])
    row = next(line for line in shown.output.splitlines() if "severe_damage" in line)
    assert [cell.strip() for cell in row.split("│")[1:-1]] == ["damage", "fixed 1", "mild_damage", "severe_damage", "3"]
    assert "unknown: the event is gone" in shown.output
    lines = await asyncio.to_thread(CliRunner().invoke, command, ["counts", "--format", "jsonl"])
    assert len(lines.stdout.splitlines()) == 4
