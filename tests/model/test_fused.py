"""The shipped model asks the text and the photos of a post apart as well."""

import numpy as np
import pytest

from model.fused import FusedScorer
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
