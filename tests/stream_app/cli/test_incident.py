"""``crisis-stream incident`` on a real Kafka: acts are stored in order, seen by all, and taken back."""

from __future__ import annotations

import asyncio
import json
from types import SimpleNamespace

import pytest
from aiokafka import AIOKafkaProducer
from click import ClickException
from click.testing import CliRunner
from factories import make_event, make_place

from stream_app.cli.incident import _named, command
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.sighting import sighting_of
from stream_app.kafka.clients import client_options
from stream_app.settings import IncidentSettings

pytestmark = pytest.mark.kafka


def incident(name):
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    for i in range(2):
        event = make_event(f"{name}{i}", f"{name} word{i}", author=f"{name}{i}", place=make_place())
        grouping.add(sighting_of(event, rules))
    (made,) = grouping.changed(event.timings.produced_at)
    return made.model_copy(update={"id": name})


@pytest.fixture
def say(settings):
    async def publish():
        async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
            for name in ("flood-1", "flood-2"):
                value = incident(name).model_dump_json().encode()
                await producer.send_and_wait(settings.topics.incidents, value, key=name.encode())
            await producer.send_and_wait(settings.topics.decisions, b"no act", key=b"flood-1")

    asyncio.run(publish())

    def run(*words, code=0):
        given = ["--bootstrap", settings.kafka.bootstrap_servers, "--prefix", settings.topics.prefix, *words]
        result = CliRunner().invoke(command, given)
        assert result.exit_code == code, result.output
        return result.output

    return run


def test_the_work_on_an_incident_from_a_shell(say):
    say("claim", "flood-1", "--as", "ada")
    assert "moved it to Galle, LK" in say(
        "place", "flood-1", "-6.03", "80.2", "--name", "Galle", "--country", "lk", "--as", "ada"
    )
    say("merge", "flood-2", "flood-1", "--as", "ada")
    assert "was merged into it" in say("note", "flood-2", "\x1b[31mseen it", "--as", "bo")
    assert "one already" in say("merge", "flood-2", "flood-1", code=1)
    assert "beginning of" not in say("status", "flood-1", "confirmed", "--as", "bo")
    assert "no incident" in say("claim", "nosuch", code=1)
    assert "no post" in say("split", "flood-1", "x:nosuch", code=1)
    (one,) = [json.loads(line) for line in say("list", "--format", "jsonl").splitlines()]
    assert (one["incident"]["post_count"], one["parts"], one["work"]["status"]) == (4, ["flood-2"], "confirmed")
    assert one["incident"]["place"]["name"] == "Galle"
    log = say("log", "flood-1")
    assert "\x1b" not in log
    entries = [json.loads(line) for line in say("log", "flood-1", "--format", "jsonl").splitlines()]
    did = [(entry["decision"]["by"], entry["decision"]["act"]["kind"]) for entry in entries]
    assert did == [("ada", "claim"), ("ada", "place"), ("ada", "merge"), ("bo", "note"), ("bo", "status")]
    assert entries[2]["decision"]["id"][:8] in log
    merge = entries[2]["decision"]["id"][:8]
    assert f"undid {merge}. " in say("undo", "flood-1", merge)
    assert len(say("list", "--format", "jsonl").splitlines()) == 2
    assert "undone already" in say("undo", "flood-1", entries[2]["decision"]["id"], code=1)


@pytest.mark.parametrize(
    ("given", "means"),
    [("489", "48924e7e"), ("48924e7e-", "48924e7e-66"), ("b6", "48924e7e"), ("f0f", None), ("", None)],
)
def test_the_beginning_of_an_id_is_enough(given, means):
    """Of one that was merged into another too; what was split off begins with the id that it was split off from."""
    parts = {"48924e7e": ("b64a20a8",), "48924e7e-66": (), "f0f1": (), "f0f2": ()}
    found = {name: SimpleNamespace(parts=each) for name, each in parts.items()}
    board = SimpleNamespace(root=lambda name: name)
    if means is None:
        with pytest.raises(ClickException, match="beginning of"):
            _named(given, found, board)
    else:
        assert _named(given, found, board) == means
