import torch
from hypothesis import given
from hypothesis import strategies as st

from model.encoders.context import FEATURES, ContextEncoder, features
from model.scorer import ContextFacts


def test_the_names_are_those_of_the_entries():
    row = dict(zip(FEATURES, features(ContextFacts(links=1, language="es", hour=6.0), "abc"), strict=True))
    assert row["language:es"] == 1
    assert row["language:unknown"] == 0
    assert row["followers:known"] == 0
    assert abs(row["hour:sin"] - 1) < 1e-6


@given(st.integers(0, 2**53), st.text(max_size=50), st.sampled_from(["en", "xx", None]))
def test_nothing_seen_in_service_can_leave_the_range_of_training(followers, text, language):
    encoder = ContextEncoder()
    facts = [ContextFacts(links=i % 3, mentions=i % 2, hour=float(i)) for i in range(12)]
    encoder.fit(facts, ["a" * i for i in range(12)])
    seen = encoder(facts, ["a" * i for i in range(12)])
    strange = encoder([ContextFacts(followers=followers, verified=True, language=language, images=9)], [text])
    assert bool((strange >= seen.amin(0) - 1e-5).all())
    assert bool((strange <= seen.amax(0) + 1e-5).all())
    assert float(strange[0, FEATURES.index("followers:log")]) == 0  # never varied in training


def test_it_holds_nothing_that_names_the_event():
    assert not any(word in name for name in FEATURES for word in ("event", "date", "id:", "user", "latitude"))


def test_no_posts_give_no_rows():
    assert ContextEncoder()([], []).shape == torch.Size([0, len(FEATURES)])
