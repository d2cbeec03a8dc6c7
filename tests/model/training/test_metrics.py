"""Every figure against scikit-learn's or its own definition written out, averages always said."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.metrics import BINS, accuracy_of, by_group, interval, macro_f1_of, measure

seeds = st.integers(0, 2**31)


def draw(seed, n=80, k=4, classes=None):
    rng = np.random.default_rng(seed)
    truth = rng.choice(classes if classes is not None else k, n)
    table = rng.dirichlet(np.ones(k), n)
    table[np.arange(n), truth] += rng.random(n)
    return table / table.sum(1, keepdims=True), truth


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 6))
def test_accuracy_and_f1_are_sklearns_with_the_average_that_is_named(sk, seed, k):
    table, truth = draw(seed, k=k)
    found, guess = measure(torch.tensor(table), torch.tensor(truth)), table.argmax(1)
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, guess), abs=1e-6)
    assert found["f1_macro"] == pytest.approx(sk.f1_score(truth, guess, average="macro"), abs=1e-6)
    assert found["f1_weighted"] == pytest.approx(sk.f1_score(truth, guess, average="weighted"), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_map_is_the_mean_of_sklearns_over_the_labels_that_occur(sk, seed):
    table, truth = draw(seed, classes=[0, 2, 3])
    found = measure(torch.tensor(table), torch.tensor(truth))
    each = [sk.average_precision_score(truth == c, table[:, c]) for c in np.unique(truth)]
    assert found["map"] == pytest.approx(np.mean(each), abs=1e-5)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 6))
def test_hamming_is_sklearns_over_labels_of_their_own(sk, seed, k):
    table, truth = draw(seed, k=k)
    expected = sk.hamming_loss(np.eye(k)[truth], np.eye(k)[table.argmax(1)])
    assert measure(torch.tensor(table), torch.tensor(truth))["hamming"] == pytest.approx(expected, abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_ece_is_the_gap_of_confidence_and_accuracy_over_equal_bins(seed):
    table, truth = draw(seed, n=300)
    confidence, right = table.max(1), table.argmax(1) == truth
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * (bins == b).mean() for b in np.unique(bins)]
    assert measure(torch.tensor(table), torch.tensor(truth))["ece"] == pytest.approx(sum(gaps), abs=1e-4)


@settings(max_examples=30, deadline=None)
@given(seeds, st.integers(2, 5))
def test_what_is_resampled_is_what_is_reported(seed, k):
    table, truth = draw(seed, k=k)
    found, everything = measure(torch.tensor(table), torch.tensor(truth)), np.arange(len(truth))
    guess = table.argmax(1)
    assert accuracy_of(guess, truth)(everything) == pytest.approx(found["accuracy"], abs=1e-6)
    assert macro_f1_of(guess, truth, k)(everything) == pytest.approx(found["f1_macro"], abs=1e-6)


@given(seeds)
def test_copies_of_a_post_come_or_stay_away_together(seed):
    groups = np.random.default_rng(seed).integers(0, 12, 40)
    for rows in by_group(groups.tolist(), seed, resamples=5):
        counts = np.bincount(rows, minlength=40)
        for group in np.unique(groups):
            assert len(set(counts[groups == group])) == 1


def test_an_interval_holds_the_middle_95_of_a_hundred():
    samples = [np.array([i]) for i in range(101)]
    assert interval(lambda rows: float(rows[0]), samples) == pytest.approx((2.5, 97.5))
