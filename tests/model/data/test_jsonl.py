"""Rows of one's own from JSON lines: what a line teaches, copies on one side, and a sentence for what is wrong."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.data.jsonl import load_jsonl

LABELS = {"humanitarian": "affected_individuals", "damage": "severe_damage"}


@pytest.fixture
def rows(tmp_path):
    Image.new("RGB", (32, 32), "red").save(tmp_path / "a.jpg")
    (tmp_path / "bad.jpg").write_bytes(b"no photo")

    def load(*lines, first_group=0):
        file = tmp_path / "mine.jsonl"
        file.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return load_jsonl(file, first_group)

    return load


def test_labels_of_a_post_are_those_of_its_only_part_and_of_both_together_only_of_the_whole(rows):
    text, photo, both, told = rows(
        {"text": "Help at the bridge", "labels": LABELS},
        {"image": "a.jpg", "labels": LABELS, "group": "x"},
        {"text": "Bridge", "image": "a.jpg", "labels": LABELS},
        {"text": "Gone", "image": "a.jpg", "labels": LABELS, "text_labels": {"humanitarian": "affected_individuals"}},
    )
    assert (text.of_text, text.of_image, text.of_post, text.agreed) == (LABELS, {}, LABELS, LABELS)
    assert (photo.of_text, photo.of_image, photo.of_photo) == ({}, LABELS, LABELS)
    assert (both.of_text, both.of_post, both.agreed) == ({}, LABELS, {})
    assert both.of_image == {"damage": "severe_damage"}, "damage is a matter of the photo"
    assert told.agreed == {"humanitarian": "affected_individuals"}
    assert photo.image.is_file()


def test_copies_by_text_photo_or_group_share_a_group_and_a_split(rows):
    found = rows(
        {"text": "Flood  at A", "labels": LABELS},
        {"text": "flood at a", "labels": LABELS, "split": "test"},
        {"text": "something else", "image": "a.jpg", "labels": LABELS, "group": "g"},
        {"text": "and again", "image": "a.jpg", "labels": LABELS},
        {"text": "third", "labels": LABELS, "group": "g"},
        first_group=7,
    )
    first, second, *others = found
    assert first.group == second.group
    assert (first.split, second.split) == ("test", "test")
    assert len({row.group for row in others}) == len({row.split for row in others}) == 1
    assert min(row.group for row in found) == 7


@given(st.lists(st.text(st.characters(categories=["L"]), min_size=1), min_size=1, max_size=40, unique_by=str.lower))
def test_a_split_is_of_the_post_and_moves_with_no_other(tmp_path_factory, texts):
    def splits(some):
        file = tmp_path_factory.getbasetemp() / "some.jsonl"
        file.write_text("\n".join(json.dumps({"text": text, "labels": LABELS}) for text in some))
        return {row.text: row.split for row in load_jsonl(file)}

    whole = splits(texts)
    assert {text: whole[text] for text in texts[::2]} == splits(texts[::2])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is no JSON object"),
        ("[1]", "line 2"),
        ({"labels": LABELS}, "line 2 has neither a text nor an image"),
        ({"text": "x"}, "line 2: labels is missing"),
        ({"text": "x", "labels": {}}, "line 2: labels is empty"),
        ({"text": "x", "labels": {"damge": "severe_damage"}}, "'damge', which is no concept; there are inform"),
        ({"text": "x", "labels": {"damage": "severe"}}, "'severe' is no label of damage; there are little_or_no"),
        ({"text": "x", "labels": LABELS, "image_labels": {"request": "yes"}}, "'yes' is no label of request"),
        ({"text": "x", "labels": LABELS, "splt": "dev"}, "line 2: splt is no field of a row; there are text, image"),
        ({"text": "x", "labels": LABELS, "split": "validation"}, "line 2: split: input should be 'train', 'dev' or"),
        ({"text": 7, "labels": LABELS}, "line 2: text: input should be a valid string"),
        ({"image": "b.jpg", "labels": LABELS}, "b.jpg is not there; paths are relative to the file"),
        ({"image": "bad.jpg", "labels": LABELS}, "bad.jpg cannot be read as a photo"),
        (
            {"text": "Fine", "labels": LABELS, "split": "dev"},
            "copy of line 1 .* one is train and the other dev",
        ),
    ],
)
def test_what_is_wrong_is_a_sentence_with_file_and_line(rows, line, said):
    good = {"text": "fine", "labels": LABELS, "split": "train"}
    with pytest.raises(ValueError, match=r"mine\.jsonl, line 2") as error:
        rows(good, line)
    error.match(said)


def test_an_empty_file_and_none_are_sentences(rows, tmp_path):
    with pytest.raises(ValueError, match="holds no row"):
        rows("", "")
    with pytest.raises(FileNotFoundError, match="give a file of JSON lines"):
        load_jsonl(tmp_path / "nosuch.jsonl")
