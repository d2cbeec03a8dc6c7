import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.training.bootstrap import (
    average_precision,
    confusion,
    differs,
    f1,
    group_weights,
    hamming,
    interval,
    mean_over,
    scores,
)

seeds = st.integers(0, 2**31)


def draw(seed: int, n: int = 60, k: int = 4) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.dirichlet(np.ones(k), n), rng.integers(0, 4, (3, n)).astype(float) + 0.0


@settings(max_examples=40, deadline=None)
@given(seeds, st.sampled_from(["macro", "micro", "weighted"]))
def test_f1_under_weights_is_sklearns_with_repeated_rows(sk, seed: int, average: str) -> None:
    truth, p, weights = draw(seed)
    got = f1(confusion(truth, p.argmax(1), 4, weights), average)
    for b, w in enumerate(weights.astype(int)):
        again = np.repeat(np.arange(len(truth)), w)
        expected = sk.f1_score(truth[again], p.argmax(1)[again], average=average)
        assert got[b] == pytest.approx(expected)


def test_a_class_that_never_occurs_is_left_out_of_macro() -> None:
    matrix = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 3, np.ones((1, 3)))
    assert f1(matrix, "macro")[0] == pytest.approx(2 / 3)


@settings(max_examples=40, deadline=None)
@given(seeds, st.integers(2, 5))
def test_hamming_counts_wrong_labels(seed: int, k: int) -> None:
    truth, p, weights = draw(seed, k=k)
    guess = p.argmax(1)
    got = hamming(confusion(truth, guess, k, weights))
    columns = slice(1, 2) if k == 2 else slice(None)
    wrong = (np.eye(k)[truth] != np.eye(k)[guess])[:, columns].mean(1)
    np.testing.assert_allclose(got, (weights * wrong).sum(1) / weights.sum(1))


@settings(max_examples=60, deadline=None)
@given(seeds, st.integers(1, 30))
def test_average_precision_is_sklearns_ties_and_weights_too(sk, seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    positive = rng.random(50) < 0.3
    positive[0] = True
    ranked = rng.integers(0, levels, 50) / levels
    weights = np.stack((np.ones(50), rng.integers(0, 3, 50) + 0.5))
    got = average_precision(positive, ranked, weights)
    for b, w in enumerate(weights):
        assert got[b] == pytest.approx(sk.average_precision_score(positive, ranked, sample_weight=w))


def test_a_label_without_positives_is_left_out_of_map(sk) -> None:
    p = np.array([[0.7, 0.2, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1]])
    truth = np.array([0, 1, 1])
    got = scores(truth, p, np.ones((1, 3)))["map"][0]
    expected = np.mean([sk.average_precision_score(truth == k, p[:, k]) for k in (0, 1)])
    assert got == pytest.approx(expected)


def test_map_of_two_classes_is_that_of_the_second(sk) -> None:
    truth, p, _ = draw(3, k=2)
    got = scores(truth, p, np.ones((1, 60)))
    assert got["map"][0] == pytest.approx(sk.average_precision_score(truth == 1, p[:, 1]))
    assert got["hl"][0] == pytest.approx((truth != p.argmax(1)).mean())


def test_a_resample_takes_whole_groups_and_as_many_as_there_are() -> None:
    groups = np.array([5, 5, 2, 9, 9, 9])
    weights = group_weights(groups, 200)
    assert weights.shape == (201, 6)
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, [3]] == weights[:, 3:]).all()
    assert (weights[:, [0, 2, 3]].sum(1) == 3).all()
    assert np.array_equal(weights, group_weights(groups, 200))


def test_groups_make_the_interval_wider_than_rows_would() -> None:
    """Forty copies of each of 25 posts tell no more than 25 posts."""
    rng = np.random.default_rng(0)
    truth = np.repeat(rng.integers(0, 2, 25), 40)
    p = np.repeat(rng.dirichlet(np.ones(2), 25), 40, axis=0)
    grouped = scores(truth, p, group_weights(np.repeat(np.arange(25), 40), 300))["f1"]
    alone = scores(truth, p, group_weights(np.arange(1000), 300))["f1"]
    assert np.diff(interval(grouped)) > 3 * np.diff(interval(alone))


def test_the_interval_covers_a_known_accuracy_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(100):
        truth = rng.integers(0, 2, 150)
        right = rng.random(150) < 0.8
        p = np.eye(2)[np.where(right, truth, 1 - truth)]
        low, high = interval(scores(truth, p, group_weights(np.arange(150), 200, seed=trial))["f1_micro"])
        covered += low <= 0.8 <= high
    assert 88 <= covered <= 100


def test_the_mean_over_seeds_is_plain_and_its_resamples_draw_seeds() -> None:
    a, b = {"f1": np.full(401, 0.8)}, {"f1": np.full(401, 0.6)}
    mean = mean_over([a, b])["f1"]
    assert mean[0] == pytest.approx(0.7)
    share = [np.isclose(mean[1:], value).mean() for value in (0.6, 0.7, 0.8)]
    assert share == pytest.approx([0.25, 0.5, 0.25], abs=0.08)
    np.testing.assert_allclose(mean_over([a, a])["f1"], 0.8)


def test_differences_are_paired() -> None:
    a, b = {"f1": np.array([0.8, 0.7, 0.9])}, {"f1": np.array([0.6, 0.5, 0.7])}
    gap, low, high = differs(a, b, "f1")
    assert (gap, low, high) == pytest.approx((0.2, 0.2, 0.2))  # resample by resample, so what they share cancels
