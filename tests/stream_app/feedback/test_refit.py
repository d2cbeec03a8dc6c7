from __future__ import annotations

import tomllib

import pytest
from factories import make_event
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_app.feedback.refit import Judged, judgements, propose, quality, toml_fragment
from stream_app.feedback.verdict import Verdict
from stream_app.settings import AlertSettings

some = st.builds(Judged, st.floats(0, 1), st.booleans())
# From 0.6 on the model is right nine times in ten, below it one time in ten.
TELLING = [Judged(0.3 + i / 100, i % 10 == 0) for i in range(30)] + [
    Judged(0.6 + i / 100, i % 10 != 9) for i in range(40)
]


def test_best_f1_finds_where_the_model_becomes_right():
    proposal = propose("damage", TELLING, current=0.95)
    assert proposal.proposed.threshold == pytest.approx(0.6)
    assert proposal.proposed.f1 > proposal.current.f1
    assert proposal.judged == len(TELLING)


@given(st.lists(some, min_size=30, max_size=80), st.floats(0, 1))
def test_a_proposed_threshold_keeps_its_word_and_no_lower_one_would_do(judged, precision):
    proposal = propose("damage", judged, 0.5, precision)
    if proposal.proposed is None:
        assert proposal.refusal
        return
    assert quality(judged, proposal.proposed.threshold).precision >= precision
    lower = [j.probability for j in judged if 0 < j.probability < proposal.proposed.threshold]
    assert all(quality(judged, each).precision < precision for each in lower)


@given(st.lists(some, min_size=30, max_size=80))
def test_no_threshold_has_a_better_f1(judged):
    proposal = propose("damage", judged, 0.5)
    if proposal.proposed is not None:
        assert all(quality(judged, j.probability).f1 <= proposal.proposed.f1 for j in judged if j.probability > 0)


@pytest.mark.parametrize(
    "judged", [[], [Judged(0.9, True)] * 29, [Judged(0.9, True)] * 100, [Judged(0.9, False)] * 100]
)
def test_too_few_verdicts_are_refused(judged):
    proposal = propose("damage", judged, 0.5)
    assert proposal.proposed is None
    assert "needs 30" in proposal.refusal


def test_a_precision_out_of_reach_is_refused():
    assert "no threshold" in propose("damage", [Judged(0.5, i % 2 == 0) for i in range(40)], 0.5, 0.9).refusal


def test_a_label_that_never_alerts_counts_as_never():
    event = make_event(damage="little_or_no_damage", probability=0.7)
    verdicts = [
        Verdict(event=event.id, labels={"damage": "severe_damage", "humanitarian": "affected_individuals"}),
        Verdict(event="unknown", labels={"damage": "severe_damage"}),
    ]
    judged = judgements(verdicts, {event.id: event}, AlertSettings())
    assert judged["damage"] == [Judged(0.0, should_alert=True)]
    assert judged["humanitarian"] == [Judged(0.7, should_alert=True)]
    assert judged["informativeness"] == []


def test_the_fragment_is_a_valid_setting():
    alerts = AlertSettings()
    fragment = tomllib.loads(toml_fragment([propose("damage", TELLING, 0.5)], alerts))
    read = AlertSettings.model_validate(fragment["alerts"])
    assert read.damage.labels == alerts.damage.labels
    assert read.damage.min_probability == pytest.approx(0.6, abs=1e-5)
    assert toml_fragment([propose("damage", [], 0.5)], alerts) == ""


def test_a_verdict_names_labels_that_exist():
    with pytest.raises(ValidationError, match="no label of damage"):
        Verdict(event="e", labels={"damage": "informative"})
    with pytest.raises(ValidationError):
        Verdict(event="e", labels={})
