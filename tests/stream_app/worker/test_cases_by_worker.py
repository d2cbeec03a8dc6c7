"""Every case of ../shared/cases/feeds.jsonl by `label` and by a worker on a real broker: the same comes out of both."""

import asyncio
import json
import re
from collections import Counter
from pathlib import Path

import pytest

from model.serving.fixed import FixedScorer
from stream_app.offline.label import Line, OfflineLabeller
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.media.outcome import MediaOutcome
from tests.stream_app.worker.test_worker import eventually, replica, send  # noqa: F401

ROOT = Path(__file__).resolve().parents[3]
CASES = ROOT.parent / "shared" / "cases" / "feeds.jsonl"
pytestmark = [pytest.mark.kafka, pytest.mark.shared]


def facts(event):
    """What of an event must not depend on who made it; when it was labelled does."""
    kept = event.post.model_dump(include={"network", "id", "root_id", "kind", "text", "edited", "language"})
    labels = [label.label for _, label in event.labels]
    photos = tuple(each.url for each in event.media)
    return (*kept.items(), *labels, photos, event.degraded, event.review, event.supersedes)


def told(answers):
    """A case's outcome in words, as docs/formats.md has it."""
    words = Counter()
    for answer in answers:
        if answer.event is not None:
            event = answer.event
            photos = f", {len(event.media)} photo{'s'[: len(event.media) - 1]}" if event.media else ""
            edit = ", supersedes the first version" if event.supersedes else ""
            bare = ", no labels" if event.labels.informativeness.label is None else ""
            degraded = ", degraded" if any("embed" in why for why in event.degraded_reasons) else ""
            words[f"event ({event.post.kind}{photos}{edit}{bare}{degraded})"] += 1
        else:
            words["withdrawal" if answer.withdrawal else f"error: {answer.error}" if answer.error else "notice"] += 1
    return "; ".join(f"{number} x {word}" if number > 1 else word for word, number in words.items())


async def labelled(values):
    async def late(links):
        await asyncio.sleep(0)
        return tuple(MediaOutcome(link.url, "late", reason="never comes") for link in links)

    labeller = OfflineLabeller(FixedScorer(), late)
    lines = [Line(number, value, 1_780_480_800.0) for number, value in enumerate(values)]
    return [answer async for answer in labeller.answers(lines)]


async def test_label_and_a_worker_make_the_same_of_every_case(settings, send, replica, collect):  # noqa: F811
    if not CASES.is_file():
        pytest.skip(f"no cases at {CASES}")
    cases = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    values = [case["value"].encode() for case in cases]
    answers = await labelled(values)
    events = [answer.event for answer in answers if answer.event]
    gone = [answer.withdrawal for answer in answers if answer.withdrawal]
    await send(values)
    async with replica() as running:
        found = [Event.model_validate_json(each.value) for each in await collect(settings.topics.events, len(events))]
        await eventually(lambda: b'became="withdrawal"} 2.0' in running.metrics_text())
        counts = dict(re.findall(r'posts_total\{became="(\w+)"\} (\d+)', running.metrics_text().decode()))
    found = [Event.model_validate_json(each.value) for each in await collect(settings.topics.events)]
    assert Counter(map(facts, (each for each in found if not each.withdrawn))) == Counter(map(facts, events))
    assert {each.post.id for each in found if each.withdrawn} == {each.id for each in gone}
    assert await collect(settings.topics.dead_letters) == []
    assert int(counts["control_line"]) == sum(not (each.event or each.withdrawal) for each in answers)
    table = (ROOT / "docs" / "formats.md").read_text()
    for number, case in enumerate(cases):
        row = f"| {case['case']} | {told([each for each in answers if each.line.number == number])} |"
        assert row in table
