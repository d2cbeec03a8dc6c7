from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner
from commands import Command
from factories import headers_of, make_event, make_place
from lxml import etree
from rich.console import Console

from stream_app.cli.options import parse_since
from stream_app.cli.watch import Printer, command
from stream_app.decisions.shown import Shown
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.incidents.taken import read_event
from stream_app.kafka.subscribe import EPOCH, Received
from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.events.event import Event, Withdrawn
from stream_app.pipeline.events.publish import event_headers
from stream_app.render.cap import CapOptions
from stream_app.settings import IncidentSettings, TopicSettings

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("now", NOW),
        ("beginning", EPOCH),
        ("90s", NOW - timedelta(seconds=90)),
        ("1.5h", NOW - timedelta(minutes=90)),
        ("7d", NOW - timedelta(days=7)),
        ("2026-03-14T09:00", datetime(2026, 3, 14, 9, tzinfo=UTC)),
        ("2026-03-14T09:00+02:00", datetime(2026, 3, 14, 7, tzinfo=UTC)),
    ],
)
def test_since_is_read(text, moment):
    assert parse_since(text, NOW) == moment


def test_a_wrong_since_and_a_wrong_place_are_explained():
    assert "no moment" in CliRunner().invoke(command, ["--since", "yesterday"]).output
    assert "no place" in CliRunner().invoke(command, ["--place", "1,2"]).output


@pytest.fixture
def watch(settings, monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", settings.topics.prefix)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(command, [*arguments, "--no-follow"])
        assert result.exit_code == 0, result.output
        return result.stdout

    return run


def publish(settings, *events, topics=None) -> None:
    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as made:
            for event in events:
                for topic in topics or [settings.topics.events]:
                    value = event.model_dump_json().encode()
                    headers = headers_of(event)
                    if event.withdrawn:
                        headers = event_headers(event.id, "2026-03-14T09:30:00Z", event.post.id, withdraws=True)
                    await made.send_and_wait(topic, value, headers=headers)
            await made.send_and_wait(settings.topics.events, b"poison")

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(send())


FIRST = make_event("a", "Water is over the quay", place=make_place(), damage="severe_damage", photos=["0" * 16])
SECOND = make_event("b", "Please donate", humanitarian="rescue_volunteering_or_donation_effort", language="si")


@pytest.mark.kafka
def test_every_format_shows_the_real_topic(settings, watch):
    publish(settings, FIRST, SECOND)
    lines = [json.loads(line) for line in watch("--format", "jsonl").splitlines()]
    assert {each["cloudevent"]["id"] for each in lines} == {FIRST.id, SECOND.id}
    assert FIRST.model_dump(mode="json") in [each["data"] for each in lines]
    geo = json.loads(watch("--format", "geojson", "--place", "colombo"))
    assert [each["geometry"]["coordinates"] for each in geo["features"]] == [[79.85, 6.93]]
    cap = etree.fromstring(watch("--format", "cap", "--language", "en"))
    assert cap.findtext("{*}status") == "Exercise"
    table = watch("--label", "severe_damage").splitlines()
    assert "Water is over the quay" in table[1]
    assert len(table) == 2
    assert len(watch("--format", "jsonl", "--limit", "1").splitlines()) == 1


@pytest.mark.kafka
def test_a_pipe_gets_whole_texts_and_cap_only_what_calls_for_action(settings, watch):
    long = "Water is over the quay " * 20 + "and on roofs"
    lovely = make_event("c", "Lovely morning, coffee", humanitarian="not_humanitarian")
    publish(settings, make_event("d", long), lovely)
    assert "and on roofs" in watch()
    cap = watch("--format", "cap")
    assert cap.count("<alert") == 1
    assert "coffee" not in cap
    sent, expires = (
        datetime.fromisoformat(etree.fromstring(cap).findtext(f".//{{*}}{x}")) for x in ("sent", "expires")
    )
    assert expires - sent == timedelta(hours=6)


@pytest.mark.kafka
def test_alerts_of_damage_tell_the_damage_and_leave_copies_out(settings, watch):
    first = make_event("a", "Bridge gone", damage="severe_damage", damage_probability=0.81, photos=["0" * 16])
    copy = make_event("b", "RT Bridge gone", damage="severe_damage", photos=["0" * 16], duplicate_of="a")
    publish(settings, first, copy, topics=[settings.topics.alerts("damage")])
    table = watch("alerts.damage").splitlines()
    assert len(table) == 2
    assert table[1].split()[1:3] == ["severe", "damage,"]
    assert "0.81" in table[1]
    assert len(watch("alerts.damage", "--copies").splitlines()) == 3
    assert len(watch("alerts.damage", "--format", "jsonl").splitlines()) == 2


@pytest.mark.kafka
def test_a_restarted_watch_sends_an_update_of_what_it_sent_before(settings, watch):
    rules = IncidentSettings()
    grouping, versions = Grouping(rules), []
    for i in range(3):
        grouping.add(sighting_of(make_event(f"p{i}", f"number{i}", author=f"a{i}", place=make_place()), rules))
        versions += grouping.changed(NOW)

    async def send(incidents) -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as made:
            for incident in incidents:
                value = incident.model_dump_json().encode()
                await made.send_and_wait(settings.topics.incidents, value, key=incident.id.encode())

    asyncio.run(send(versions[:1]))
    middle = datetime.now(UTC).isoformat()
    asyncio.run(send(versions[1:2]))
    (cap,) = [
        each for each in watch("incidents", "--format", "cap", "--since", middle).split("</alert>") if each.strip()
    ]
    message = etree.fromstring(cap + "</alert>")
    assert message.findtext("{*}msgType") == "Update"
    assert versions[0].id in message.findtext("{*}references")


@pytest.mark.kafka
def test_an_event_that_raised_two_alerts_is_shown_once(settings, watch):
    publish(settings, FIRST, topics=[settings.topics.alerts("damage"), settings.topics.alerts("humanitarian")])
    assert len(watch("alerts", "--format", "jsonl").splitlines()) == 1
    assert len(watch("alerts.damage", "--format", "jsonl").splitlines()) == 1
    assert watch("alerts.informativeness", "--format", "jsonl") == ""


@pytest.mark.kafka
def test_versions_of_an_incident_are_an_alert_and_its_updates(settings, watch):
    rules = IncidentSettings()
    grouping, versions = Grouping(rules), []
    for i in range(4):
        event = make_event(f"p{i}", f"number{i} thing{i}", author=f"a{i}", place=make_place())
        grouping.add(sighting_of(event, rules))
        versions += grouping.changed(NOW)

    async def send() -> None:
        async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as made:
            for incident in versions:
                value = incident.model_dump_json().encode()
                await made.send_and_wait(settings.topics.incidents, value, key=incident.id.encode())
            await made.send_and_wait(settings.topics.incidents, None, key=b"gone")

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        runner.run(send())
    printed = watch("incidents", "--format", "cap").replace("</alert>", "</alert>\0").split("\0")
    messages = [etree.fromstring(each) for each in printed if each.strip()]
    assert [each.findtext("{*}msgType") for each in messages] == ["Alert", "Update", "Update"]
    assert messages[1].findtext("{*}references").split(",")[1] == messages[0].findtext("{*}identifier")
    table = watch("incidents", "--place", "6.9,79.8,30").splitlines()
    assert "People affected near Colombo" in table[-1]
    assert json.loads(watch("incidents", "--format", "geojson"))["features"][-1]["properties"]["post_count"] == 4


def test_without_its_topic_a_watch_that_ends_says_so_and_one_that_follows_waits(settings, tmp_path):
    late = settings.model_copy(update={"topics": TopicSettings(prefix=f"late.{settings.topics.prefix}")})
    words = ["--bootstrap", late.kafka.bootstrap_servers, "--prefix", late.topics.prefix]
    ended = CliRunner().invoke(command, [*words, "--no-follow"])
    assert ended.exit_code == 1
    assert f": no topic {late.topics.events}: start a worker" in ended.output
    assert "Error 3" not in ended.output
    with Command("watch", *words, "--limit", "1", "--format", "jsonl", folder=tmp_path) as following:
        try:
            assert following.stderr.readline().startswith(f"Waiting: no topic {late.topics.events}")
            asyncio.run(ensure_topics(late))
            publish(late, make_event("1"))
            told, _ = following.communicate(timeout=30)
        finally:
            following.kill()
    assert json.loads(told)["data"]["post"]["id"] == "1"


def taken_back(event: Event, minutes: float = 30, **how) -> Event:
    """What the worker publishes of a withdrawal of ``event``."""
    nothing = make_event(event.post.id, "", minutes=minutes, author=event.post.author_key)
    labels = {task: {"label": None, "reason": "withdrawn"} for task in ("informativeness", "humanitarian", "damage")}
    taken = Withdrawn(**{"reason": "deleted", "events": (event.id,), **how})
    return Event.model_validate(nothing.model_dump() | {"id": event.id, "withdrawn": taken, "labels": labels})


def edit_of(event: Event, text: str, **changes) -> Event:
    made = make_event(event.post.id, text, minutes=20, **changes)
    return made.model_copy(update={"id": f"{event.id}-2", "supersedes": event.id})


CALM = edit_of(FIRST, "False alarm", humanitarian="not_humanitarian")


@pytest.mark.kafka
def test_a_file_holds_nothing_that_was_withdrawn_or_edited_by_then(settings, watch):
    third = make_event("c", "Roofs gone", author="C", place=make_place())
    gone = taken_back(third, whole_author=True, events=("x",))
    publish(settings, FIRST, SECOND, third, CALM, taken_back(SECOND), gone)
    for form in ("jsonl", "geojson", "cap", "table"):
        told = watch("--format", form)
        assert not any(text in told for text in ("quay", "donate", "Roofs")), form
    lines = [json.loads(line)["data"] for line in watch("--format", "jsonl", "--label", "severe_damage").splitlines()]
    assert [bool(each["withdrawn"]) for each in lines] == [True, True], "no filter hides a withdrawal from a program"
    assert "✎ False alarm" in watch()


def printing(form, *items, follow=True):
    """What a watch prints of these, one after the other."""
    said: list[str] = []
    printer = Printer(form, CapOptions(), follow, said.append, Console(force_terminal=False))
    for item in items:
        value = item.model_dump_json().encode()
        received = Received("t", 0, 0, NOW, None, {"ce_id": item.id}, value)
        withdrawn = getattr(item, "withdrawn", None) or getattr(item, "id", "") == "refused"
        if isinstance(item, Incident):
            printer.show_incident(Shown(incident=item, revision=str(item.version)), received)
        else:
            (printer.take_back if withdrawn else printer.show)(item, received)
    printer.end()
    return said


def test_who_was_shown_an_event_is_told_of_its_edit_and_its_withdrawal():
    _, edit, gone = printing("table", FIRST, CALM, taken_back(CALM, events=(FIRST.id, CALM.id)))
    assert "✎ False alarm" in edit
    assert "withdrawn: deleted" in gone
    assert "bluesky a" in gone
    assert "alarm" not in gone
    assert printing("table", taken_back(FIRST)) == [], "of what was not shown a person need not know"
    refused = CALM.model_copy(update={"id": "refused"})
    [_, told] = printing("table", FIRST, refused)
    assert "withdrawn: edited" in told
    lines = [json.loads(each) for each in printing("geojson", FIRST, taken_back(FIRST))]
    assert (lines[1]["id"], lines[1]["geometry"], lines[1]["properties"]["kind"]) == (FIRST.id, None, "withdrawal")
    assert json.loads(printing("geojson", FIRST, taken_back(FIRST), follow=False)[0])["features"] == []
    [placeless] = json.loads(printing("geojson", FIRST, taken_back(FIRST, place_only=True), follow=False)[0])[
        "features"
    ]
    assert placeless["geometry"] is None
    assert "Colombo" not in json.dumps(placeless)


def test_cap_cancels_what_was_withdrawn_and_updates_what_was_edited():
    edit = edit_of(FIRST, "Two injured", damage="severe_damage", photos=["0" * 16])
    alert, update, cancel = map(etree.fromstring, printing("cap", FIRST, edit, taken_back(edit, events=(edit.id,))))
    kinds = [each.findtext("{*}msgType") for each in (alert, update, cancel)]
    assert kinds == ["Alert", "Update", "Cancel"]
    for before, after in ((alert, update), (update, cancel)):
        _, identifier, sent = after.findtext("{*}references").split(",")
        assert (identifier, sent) == (before.findtext("{*}identifier"), before.findtext("{*}sent"))
    assert b"injured" not in etree.tostring(cancel)
    schema = etree.XMLSchema(etree.parse("tests/stream_app/render/schemas/CAP-v1.2-schema.xsd"))
    schema.assertValid(cancel)


def test_the_end_of_an_incident_cancels_it_and_takes_it_from_a_map():
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    grouping.add(sighting_of(FIRST, rules))
    versions = grouping.changed(NOW)
    grouping.take(read_event(taken_back(FIRST), rules))
    versions += grouping.changed(NOW)
    assert [etree.fromstring(each).findtext("{*}msgType") for each in printing("cap", *versions)] == ["Alert", "Cancel"]
    assert json.loads(printing("geojson", *versions, follow=False)[0])["features"] == []
