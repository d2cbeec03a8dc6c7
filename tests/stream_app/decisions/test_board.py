"""Acts add up the same way whoever folds them, and an undo is as if its act had never been."""

from __future__ import annotations

from datetime import timedelta

import pytest
from acts import START, dated, histories
from hypothesis import given
from hypothesis import strategies as st

from stream_app.decisions.act import (
    STATUSES,
    Assign,
    Claim,
    Decision,
    Merge,
    Mute,
    Note,
    SetStatus,
    Undo,
)
from stream_app.decisions.board import fold


def state(board):
    return board.works, board.into, board.cuts


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_of_arrival_and_copies_change_nothing(history, random):
    again = [*history, *random.sample(history, len(history) // 2)]
    random.shuffle(again)
    assert fold(again) == fold(history)


@given(histories())
def test_no_incident_is_merged_into_itself_however_far_round(history):
    board = fold(history)
    for incident in board.into:
        chain = board.chain(incident)  # ends, or the test does not
        assert len(chain) == len(set(chain))


@given(histories(), st.data())
def test_an_undo_is_as_if_the_act_had_never_been_and_its_undo_brings_it_back(history, data):
    if not history:
        return
    taken = data.draw(st.sampled_from(history))
    if any(taken.id == each.act.act for each in history if isinstance(each.act, Undo)):
        return
    later = START + timedelta(hours=1)
    undo = Decision(id="u", incident=taken.incident, act=Undo(act=taken.id), by="a", at=later)
    without = [each for each in history if each.id != taken.id]
    assert state(fold([*history, undo])) == state(fold(without))
    redo = Decision(id="v", incident=taken.incident, act=Undo(act="u"), by="a", at=later + timedelta(seconds=1))
    assert state(fold([*history, undo, redo])) == state(fold(history))


@given(histories())
def test_every_act_is_in_the_log_of_its_incident_and_none_is_ever_lost(history):
    board = fold(history)
    for decision in history:
        assert [e.decision for e in board.log[decision.incident]].count(decision) == 1


@given(histories())
def test_acts_survive_json(history):
    assert [Decision.model_validate_json(each.model_dump_json()) for each in history] == history


def test_the_last_word_counts():
    board = fold(
        dated(
            [
                ("a", Claim(), "ada"),
                ("a", SetStatus(status="checking"), "ada"),
                ("a", Assign(to="bo"), "ada"),
                ("a", SetStatus(status="confirmed"), "bo"),
                ("a", Note(text="seen it"), "bo"),
            ]
        )
    )
    work = board.work("a")
    assert (work.owner, work.status, [(n.by, n.text) for n in work.notes]) == ("bo", "confirmed", [("bo", "seen it")])
    assert not work.over
    assert board.last("a").act == Note(text="seen it")


@pytest.mark.parametrize("status", STATUSES)
def test_only_what_is_over_or_muted_is_silent(status):
    def silent(*acts, now=START):
        return fold(dated([("a", act, "ada") for act in acts])).work("a").silent(now)

    assert silent(SetStatus(status=status)) == (status in ("false", "closed"))
    until = START + timedelta(hours=1)
    assert silent(Mute(until=until))
    assert not silent(Mute(until=until), now=until)
    assert silent(Mute(), now=until + timedelta(days=99))


def test_what_would_do_nothing_is_objected_to():
    acts = dated([("a", Merge(into="b"), "ada"), ("a", Claim(), "ada"), ("a", Undo(act="n1"), "ada")])
    board = fold(acts)

    def objection(act, incident="a"):
        return board.objection(Decision(incident=incident, act=act, by="ada"))

    assert "one already" in objection(Merge(into="a"), "b")
    assert "no act nosuch" in objection(Undo(act="nosuch"))
    assert "no act n0" in objection(Undo(act="n0"), "c")
    assert "undone already" in objection(Undo(act="n1"))
    assert objection(Undo(act="n2")) is None
    assert objection(Undo(act="n0"), "b") is None
    assert objection(Merge(into="c"), "b") is None
