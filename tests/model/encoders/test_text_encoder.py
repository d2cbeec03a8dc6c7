import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoders.text import LONGEST, TextEncoder, buckets

TEXTS = ["Flood waters rise", "a" * 5, "Bridge collapsed after the earthquake, twenty people are missing " * 20, "help"]


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder.serve()


def test_a_vector_does_not_depend_on_its_neighbours(encoder):
    together = encoder.encode(TEXTS)
    alone = torch.cat([encoder.encode([text]) for text in TEXTS])
    assert torch.nn.functional.cosine_similarity(together, alone).min() > 0.999


def test_it_is_the_sentence_encoder_it_claims_to_be(encoder):
    a, b, c = encoder.encode(["The river flooded the town", "Flood waters cover the city", "I love my new guitar"])
    near, far = torch.cosine_similarity(a, b, dim=0), torch.cosine_similarity(a, c, dim=0)
    assert near > far + 0.2


def test_long_texts_are_cut(encoder):
    assert max(map(len, encoder.tokens(TEXTS))) <= LONGEST


def test_layers_of_another_model_are_refused():
    other = {"encoder.x": torch.zeros(1)}
    with pytest.raises(ValueError, match="another model"):
        TextEncoder.serve(tuned=other)
    with pytest.raises(ValueError, match="another model"):
        TextEncoder.load().load_tuned(other)


def test_a_larger_one_has_more_of_the_packages_layers_and_reads_the_same_pieces():
    encoder = TextEncoder.load()
    larger = encoder.larger(7)
    assert larger.tokens(TEXTS) == encoder.tokens(TEXTS)
    mine, theirs = encoder.tuned_state(), larger.tuned_state()
    assert all(torch.equal(value, theirs[name]) for name, value in mine.items())
    assert {name.split(".")[2] for name in theirs.keys() - mine.keys()} == {"6"}
    with pytest.raises(ValueError, match="this is another encoder"):
        TextEncoder.load("minilm").larger(7)


@given(st.lists(st.integers(1, 96), max_size=80), st.integers(96, 2048))
def test_buckets_hold_every_text_once_within_the_budget(lengths, budget):
    found = list(buckets(lengths, budget))
    assert sorted(i for group in found for i in group) == list(range(len(lengths)))
    assert all(max(lengths[i] for i in group) * len(group) <= budget for group in found)
