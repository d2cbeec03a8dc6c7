"""The shipped model asks the text and the photos of a post apart as well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.fused import FusedScorer, shares
from model.scorer import CONCEPTS, PostInput

PHOTO = np.full((224, 224, 3), 90, np.uint8)
TEXT = "Two people are missing after the flood, the bridge is gone"


@pytest.fixture(scope="module")
def scorer():
    return FusedScorer.load("default", threads=1)


def test_each_side_alone_is_what_a_post_of_that_side_would_be_called(scorer):
    both, text, photo = scorer.score([PostInput(TEXT, (PHOTO,)), PostInput(TEXT), PostInput("", (PHOTO,))])
    assert set(both.alone) == {"text", "image"}
    assert both.alone["text"]["damage"].label is None
    for concept in CONCEPTS:
        said, expected = both.alone["text"][concept], text.labels[concept]
        assert said.label == expected.label
        assert said.probabilities == pytest.approx(dict(expected.probabilities), abs=1e-3)
    assert both.alone["image"]["damage"].label is not None
    assert set(both.alone["image"]["humanitarian"].probabilities) == set(both.labels["humanitarian"].probabilities)
    assert (text.alone, photo.alone) == ({}, {}), "nothing to compare"


def test_a_post_of_both_sides_is_called_the_same_among_others(scorer):
    post = PostInput(TEXT, (PHOTO,))
    among = scorer.score([PostInput("coffee"), post, PostInput("", (PHOTO,))])[1]
    for side, answers in scorer.score([post])[0].alone.items():
        for concept, said in answers.items():
            assert among.alone[side][concept].probabilities == pytest.approx(dict(said.probabilities), abs=1e-2)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 200)), max_size=70), st.integers(1, 8))
def test_a_batch_is_dealt_out_evenly_and_whole(posts, count):
    inputs = [PostInput("x" * length, (np.zeros((1, 1, 3), np.uint8),) * photos) for photos, length in posts]
    parts = shares(inputs, count)
    assert sorted(i for part in parts for i in part) == list(range(len(posts)))
    assert len(parts) == min(count, len(posts))
    for size in (len, lambda part: sum(len(inputs[i].images) for i in part)):
        sizes = [size(part) for part in parts]
        assert not sizes or max(sizes) - min(sizes) <= 3
