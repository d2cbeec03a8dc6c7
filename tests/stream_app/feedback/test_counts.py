"""Verdicts are counted by task, model, and what was corrected to what."""

from __future__ import annotations

from factories import make_event

from stream_app.feedback.counts import Entry, Kind, VerdictCount, count, differences, resolved
from stream_app.feedback.verdict import Verdict

EVENT = make_event(damage="mild_damage")


def verdict(**labels):
    return Verdict(event=EVENT.id, labels=labels)


def test_agreement_and_correction_are_told_apart_by_task():
    kinds = resolved(verdict(damage="severe_damage", humanitarian="affected_individuals"), EVENT).kinds
    found = {kind.concept: (kind.model, kind.given, kind.right, kind.agrees) for kind in kinds}
    assert found == {
        "damage": ("fixed 1", "mild_damage", "severe_damage", False),
        "humanitarian": ("fixed 1", "affected_individuals", "affected_individuals", True),
    }


def test_a_task_that_did_not_apply_is_corrected_from_nothing():
    (kind,) = resolved(verdict(damage="severe_damage"), make_event()).kinds
    assert (kind.given, kind.agrees) == (None, False)


def test_a_verdict_on_an_event_that_is_gone_is_counted_as_such():
    (kind,) = resolved(verdict(damage="severe_damage"), None).kinds
    assert (kind.model, kind.given, kind.agrees) == (None, None, False)


def test_only_looked_up_verdicts_count():
    entry = resolved(verdict(damage="mild_damage"), EVENT)
    counts = count([entry, entry, Entry(verdict=verdict(damage="mild_damage"))])
    assert list(counts.values()) == [2]


def test_only_what_differs_is_written():
    same, more, gone = (Kind(concept="damage", model=m, given=None, right="mild_damage") for m in "abc")

    def row(kind, n):
        return kind.model_dump_json().encode(), VerdictCount(**kind.model_dump(), count=n).model_dump_json().encode()

    written = dict([row(same, 1), row(more, 1), row(gone, 1)])
    assert dict(differences({same: 1, more: 2}, written)) == {row(more, 2)[0]: row(more, 2)[1], row(gone, 1)[0]: None}
