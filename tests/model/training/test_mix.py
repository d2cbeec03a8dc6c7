"""How much of each source an epoch shows, and that nothing held out is learned."""

from collections import Counter
from dataclasses import replace

import pytest

from model.data.rows import Row
from model.data.sentences import EVENT as SENTENCES
from model.data.sentences import sentence_rows
from model.training.mix import DEV_EACH, MESSAGES, OWN, PLEAS, epoch, fusion_rows, held_apart

YES = {"informativeness": "informative", "humanitarian": "affected_individuals", "request": "request"}
NO = {"informativeness": "informative", "humanitarian": "other_relevant_information", "request": "no_request"}


def row(key, source="", language=None, event="e", answers=NO, split="train", text="text"):
    return Row(str(key), key, event, split, f"{text} {key}", of_text=answers, of_post=answers, agreed=answers,
               source=source, language=language)  # fmt: skip


def many(count, start, **fields):
    return [row(start + i, **fields) for i in range(count)]


def shown(rows, seed=0):
    return [rows[i] for i in epoch(rows, seed)]


def test_english_of_a_source_is_capped_with_room_for_requests_and_evened_over_events():
    rows = [
        *many(2000, 0, source="New", language="en", event="large"),
        *many(150, 3000, source="New", language="en", event="small"),
        *many(500, 4000, source="New", language="en", answers=YES),
    ]
    found = Counter((r.event, r.of_text["request"]) for r in shown(rows))
    assert found.total() == 1000
    assert found["e", "request"] >= PLEAS * 1000
    assert found["small", "no_request"] == 150, "the rarer event whole, before more of the common one"


def test_other_languages_are_taken_whole_and_rare_ones_twice():
    rows = [*many(1500, 0, source="New", language="es"), *many(10, 2000, source="New", language="tl")]
    found = Counter(r.language for r in shown(rows))
    assert found == {"es": 1500, "tl": 20}


def test_our_own_sentences_are_three_in_ten_and_agreed_posts_of_the_reference_come_twice():
    own = [replace(r, event=SENTENCES) for r in many(7, 0, language="en")]
    disputed = [replace(r, agreed={}) for r in many(20, 300)]
    found = shown([*own, *disputed, *many(50, 100)])
    events = Counter(r.event for r in found)
    assert events["e"] == 20 + 2 * 50
    assert events[SENTENCES] == round(120 * OWN / (1 - OWN))
    assert {r.key for r in found if r.event == SENTENCES} == {r.key for r in own}
    assert len(shown(own)) == len(own), "alone they are shown once"


def test_another_epoch_shows_other_messages():
    rows = many(3000, 0, source="New", language="en")
    one, two = ({r.key for r in shown(rows, seed)} for seed in (0, 1))
    assert one != two
    assert shown(rows, 0) == shown(rows, 0)


def test_the_fusion_takes_a_sample_of_messages_and_all_of_the_rest():
    rows = [
        *many(4000, 0, source="S", language="en"),
        *many(4000, 5000, source="S", language="es"),
        *many(300, 10_000, source="S", language="en", split="dev"),
        *many(300, 11_000, source="S", language="es", split="dev"),
        *many(9, 12_000),
        *many(5, 13_000, split="test"),
        *many(5, 14_000, split="held"),
    ]
    found = Counter((r.split, r.source, r.language) for r in fusion_rows(rows))
    assert found == {
        ("train", "S", "en"): MESSAGES // 3,
        ("train", "S", "es"): MESSAGES - MESSAGES // 3,
        ("dev", "S", "en"): 3 * DEV_EACH,
        ("dev", "S", "es"): DEV_EACH,
        ("train", "", None): 9,
    }


@pytest.mark.parametrize(
    "held",
    [
        Row("h", 5, "x", "test", "text 1"),
        Row("h", 1, "x", "dev", "other"),
        Row("h", 5, "x", "train", "TEXT 1 https://t.co/x", official={"humanitarian": "test"}),
    ],
)
def test_what_repeats_a_held_out_text_or_group_is_not_learned(held):
    found = {r.key: r.split for r in held_apart([row(1), row(2), held])}
    assert found == {"1": "held", "2": "train", "h": "held" if held.split == "train" else held.split}


def test_rows_without_a_text_are_no_copies_of_each_other():
    rows = [Row("a", 0, "x", "train"), Row("b", 1, "x", "test")]
    assert [r.split for r in held_apart(rows)] == ["train", "test"]


def test_sentences_are_rows_of_all_splits_that_say_whether_they_ask_for_help():
    rows = sentence_rows(10)
    assert [r.group for r in rows] == list(range(10, 10 + len(rows)))
    assert {r.split for r in rows} == {"train", "dev", "test"}
    assert {r.of_text["request"] for r in rows} == {"request", "no_request"}
    assert all(r.source == "" and r.context for r in rows)
