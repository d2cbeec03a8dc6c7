"""Verdicts as rows: what analysts agree on, of events that are still there; the rows are those training reads."""

import json

from factories import make_event

from model.data.jsonl import load_jsonl
from stream_app.feedback.export import judged, row_of
from stream_app.feedback.verdict import Verdict


def verdict(event, analyst="ann", **labels):
    return Verdict.model_validate({"event": event.id, "analyst": analyst, "labels": labels})


ONE, TWO, GONE = make_event("p1", "Trapped at A"), make_event("p2", "Boats for sale", photos=["ff"]), make_event("p3")
EVENTS = {event.id: event for event in (ONE, TWO)}


def test_of_several_analysts_the_majority_counts_and_a_tie_is_no_label():
    said = [
        verdict(ONE, "ann", request="request", damage="mild_damage"),
        verdict(ONE, "bo", request="request", damage="severe_damage"),
        verdict(ONE, "cy", request="no_request"),
    ]
    (found,) = judged(said, EVENTS)
    assert found.labels == {"request": "request"}


def test_a_post_that_nobody_agrees_on_or_that_is_gone_gives_no_row():
    said = [
        verdict(GONE, request="request"),
        *(verdict(ONE, a, request=r) for a, r in (("ann", "request"), ("bo", "no_request"))),
    ]
    assert judged(said, EVENTS) == []


def test_rows_are_those_that_training_reads(tmp_path):
    said = [verdict(ONE, request="request"), verdict(TWO, request="no_request")]
    found = judged(said, EVENTS)
    assert [each.photos for each in found] == [(), ("https://example.org/0.jpg",)]
    file = tmp_path / "rows.jsonl"
    file.write_text("".join(json.dumps(row_of(each)) + "\n" for each in found))
    rows = load_jsonl(file)
    assert [(row.text, row.of_text, row.language) for row in rows] == [
        ("Trapped at A", {"request": "request"}, "en"),
        ("Boats for sale", {"request": "no_request"}, "en"),
    ]
    assert row_of(found[1], "photos/x.jpg")["image"] == "photos/x.jpg"
