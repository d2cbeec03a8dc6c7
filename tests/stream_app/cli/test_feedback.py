from __future__ import annotations

import asyncio
import json

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner
from factories import headers_of, make_event

from stream_app.cli.feedback import command

pytestmark = pytest.mark.kafka


@pytest.fixture
def feedback(settings, monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", settings.topics.prefix)
    return lambda *arguments: CliRunner().invoke(command, arguments)


def send(settings, topic: str, records: list[tuple[bytes, list]]) -> None:
    async def work() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as made:
            for value, headers in records:
                await made.send_and_wait(topic, value, headers=headers)

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(work())


def test_a_verdict_is_recorded_and_the_latest_of_an_analyst_counts(settings, feedback):
    send(settings, settings.topics.feedback, [(b"poison", [])])
    event = make_event("p1")
    send(settings, settings.topics.events, [(event.model_dump_json().encode(), headers_of(event))])
    e1 = event.id
    for label in ("mild_damage", "severe_damage"):
        assert feedback("add", e1, "--damage", label, "--analyst", "ann").exit_code == 0
    assert feedback("add", e1, "--damage", "mild_damage", "--analyst", "bo", "--note", "blurred").exit_code == 0
    rows = [json.loads(line) for line in feedback("list", "--format", "jsonl").stdout.splitlines()]
    assert sorted((row["analyst"], row["labels"]["damage"]) for row in rows) == [
        ("ann", "severe_damage"),
        ("bo", "mild_damage"),
    ]
    assert "at least one task" in feedback("add", "e1").output


def test_a_verdict_on_an_event_that_there_is_not_must_be_forced(settings, feedback):
    refused = feedback("add", "nosuch", "--damage", "mild_damage")
    assert refused.exit_code == 1
    assert "has no event 'nosuch'" in refused.output
    send(
        settings, settings.topics.events, [(make_event("p1").model_dump_json().encode(), headers_of(make_event("p1")))]
    )
    assert feedback("add", "nosuch", "--damage", "mild_damage").exit_code == 1
    assert feedback("add", "nosuch", "--damage", "mild_damage", "--force").exit_code == 0
    assert [json.loads(line)["event"] for line in feedback("list", "--format", "jsonl").stdout.splitlines()] == [
        "nosuch"
    ]


def test_a_note_is_shown_as_it_was_written_whatever_it_looks_like(settings, feedback):
    note = "[/nope] \x1b]0;mine\x07\u202e"
    verdict = {"event": "e1", "labels": {"damage": "mild_damage"}, "analyst": "[red]ann", "note": note}
    send(settings, settings.topics.feedback, [(json.dumps(verdict).encode(), [])])
    shown = feedback("list")
    assert shown.exit_code == 0, shown.output
    assert "[/nope]" in shown.output
    assert "[red]ann" in shown.output
    lines = feedback("list", "--format", "jsonl").stdout
    assert not {"\x1b", "\x07", "\u202e"} & set(shown.output + lines)
    assert json.loads(lines)["note"] == note


def test_refit_reads_feedback_and_events_and_writes_a_fragment(settings, feedback, tmp_path):
    events = [make_event(f"p{i}", probability=0.55 + i / 100) for i in range(40)]
    send(
        settings,
        settings.topics.events,
        [(e.model_dump_json().encode(), headers_of(e)) for e in events],
    )
    verdicts = [
        {"event": e.id, "labels": {"humanitarian": "affected_individuals" if i >= 20 else "not_humanitarian"}}
        for i, e in enumerate(events)
    ]
    send(settings, settings.topics.feedback, [(json.dumps(v).encode(), []) for v in verdicts])
    result = feedback("refit", "--precision", "0.95", "--out", str(tmp_path / "out.toml"))
    assert result.exit_code == 0, result.output
    written = (tmp_path / "out.toml").read_text()
    assert "min_probability = 0.74" in written or "min_probability = 0.75" in written
    assert "[alerts.damage]" not in written
    assert "from 40 verdicts" in written


def test_verdicts_become_rows_to_train_on_and_what_is_left_out_is_told(settings, feedback, tmp_path):
    plain, pictured = make_event("p1", "Trapped at A"), make_event("p2", photos=["ff"])
    send(settings, settings.topics.events, [(e.model_dump_json().encode(), headers_of(e)) for e in (plain, pictured)])
    assert "no verdict in" in feedback("export", str(tmp_path / "none.jsonl")).output
    verdicts = [{"event": e.id, "labels": {"request": "request"}} for e in (plain, pictured)]
    send(settings, settings.topics.feedback, [(json.dumps(v).encode(), []) for v in verdicts])
    result = feedback("export", str(tmp_path / "out" / "rows.jsonl"))
    assert result.exit_code == 0, result.output
    assert "1 rows; 1 posts left out, they have photos" in " ".join(result.output.split())
    (row,) = map(json.loads, (tmp_path / "out" / "rows.jsonl").read_text().splitlines())
    assert (row["text"], row["labels"], row["id"]) == ("Trapped at A", {"request": "request"}, plain.id)
