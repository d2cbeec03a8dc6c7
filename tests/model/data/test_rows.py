from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from model.data.rows import LEARNED, PHOTO_SET, Row, classes, either, merge_groups, sample

LABEL = st.sampled_from([None, *LEARNED["humanitarian"]])


def side(informative, category):
    pairs = (("informativeness", informative), ("humanitarian", category))
    return {concept: label for concept, label in pairs if label}


def test_a_post_is_informative_if_either_part_is():
    assert either(side("informative", None), side("not_informative", None))["informativeness"] == "informative"
    assert either(side("not_informative", None), side("not_informative", None))["informativeness"] == "not_informative"


@given(LABEL, LABEL)
def test_the_category_of_a_post_does_not_depend_on_the_order_of_its_parts(text, image):
    assert either(side(None, text), side(None, image)) == either(side(None, image), side(None, text))


def test_two_different_categories_are_no_label():
    parts = side(None, "affected_individuals"), side(None, "other_relevant_information")
    assert "humanitarian" not in either(*parts)


def test_damage_comes_from_the_photo_alone():
    assert either({}, {"damage": "mild_damage"}) == {"damage": "mild_damage"}


def test_copies_by_text_or_by_photo_share_a_group():
    rows = [Row(str(i), group, "e", "train") for i, group in enumerate([1, 1, 2, 3])]
    merged = merge_groups(rows, {"1": 7, "2": 7})
    assert len({row.group for row in merged[:3]}) == 1
    assert merged[3].group != merged[0].group


def test_unlabelled_rows_have_class_minus_one():
    assert classes([{}, {"damage": "severe_damage"}], "damage") == [-1, 2]


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60), st.integers(3, 90))
def test_a_sample_is_of_all_three_kinds_and_no_larger_than_asked_for(pairs, photos, texts, count):
    kinds = [("t", Path("p"))] * pairs + [(None, Path("p"))] * photos + [("t", None)] * texts
    rows = [Row(str(i), i, "e", "train", text, image) for i, (text, image) in enumerate(kinds)]
    chosen = sample(rows, count)
    assert len({row.key for row in chosen}) == len(chosen) <= count
    for there, kind in ((pairs, (True, True)), (photos, (False, True)), (texts, (True, False))):
        found = sum((bool(row.text), bool(row.image)) == kind for row in chosen)
        assert found >= min(there, count // 3)
    assert sample(rows, None) == rows


def test_a_photo_without_a_post_does_not_teach_that_photos_are_informative():
    said = {"informativeness": "informative", "damage": "severe_damage"}
    assert Row("a", 0, "e", "train", of_image=said, source=PHOTO_SET).of_photo == {"damage": "severe_damage"}
    assert Row("b", 0, "e", "train", of_image=said).of_photo == said, "ordinary photos and those of a user do"
