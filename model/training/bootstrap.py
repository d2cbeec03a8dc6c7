"""F1, Hamming loss and average precision under row weights, and their intervals by resampling groups of rows.

A resample of groups is a weight per row (how often its group was drawn), so one matrix product scores all resamples.
The plain figure is the one with every weight 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Average = Literal["macro", "micro", "weighted"]


def group_weights(groups: NDArray[np.int64], resamples: int, seed: int = 0) -> Array:
    """Weights [1 + resamples, n]: the first row is all 1, each other one a draw of as many groups as there are."""
    _, index = np.unique(groups, return_inverse=True)
    count = int(index.max()) + 1
    draws = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate((np.ones((1, len(groups))), draws[:, index].astype(np.float64)))


def confusion(truth: NDArray[np.int64], guess: NDArray[np.int64], classes: int, weights: Array) -> Array:
    """Confusion matrices [B, classes, classes] (true class first) under each row of ``weights`` [B, n]."""
    cells = np.zeros((len(truth), classes * classes))
    cells[np.arange(len(truth)), truth * classes + guess] = 1
    return (weights @ cells).reshape(-1, classes, classes)


def f1(matrix: Array, average: Average) -> Array:
    """F1 [B] of confusion matrices [B, K, K]; a class neither true nor guessed is left out of ``macro``.

    ``micro`` over classes that exclude each other is the accuracy.
    """
    hit = np.diagonal(matrix, axis1=1, axis2=2)
    true, guessed = matrix.sum(2), matrix.sum(1)
    if average == "micro":
        return np.asarray(hit.sum(1) / true.sum(1))
    with np.errstate(invalid="ignore"):
        per_class = 2 * hit / (true + guessed)
    if average == "macro":
        return np.asarray(np.nanmean(per_class, axis=1))
    return np.asarray((np.nan_to_num(per_class) * true).sum(1) / true.sum(1))


def hamming(matrix: Array) -> Array:
    """Share of wrong labels over n x K [B] from confusion matrices [B, K, K]; two classes are one binary label.

    Of K > 2 labels a wrong class makes two wrong: the true one missed and the other one set.
    """
    classes = matrix.shape[1]
    wrong = 1 - np.trace(matrix, axis1=1, axis2=2) / matrix.sum((1, 2))
    return np.asarray(wrong if classes == 2 else 2 * wrong / classes)


def average_precision(positive: NDArray[np.bool_], scores: Array, weights: Array) -> Array:
    """Non-interpolated average precision [B]: sum over thresholds of (recall step) x precision; NaN without positives.

    Rows of equal score share one threshold, as in scikit-learn.
    """
    order = np.argsort(-scores, kind="stable")
    last_of_score = np.append(np.diff(scores[order]) != 0, True)
    w = weights[:, order]
    hits = np.cumsum(w * positive[order], axis=1)[:, last_of_score]
    seen = np.cumsum(w, axis=1)[:, last_of_score]
    steps = np.diff(hits, axis=1, prepend=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((steps * np.where(seen > 0, hits / seen, 0)).sum(1) / hits[:, -1])


def scores(truth: NDArray[np.int64], probabilities: Array, weights: Array) -> dict[str, Array]:
    """All of the table's figures, each [B], for one concept: class indices [n] and probabilities [n, K].

    The guess is the likeliest class. MAP is over the K labels, over the second alone where there are two; a label
    without positives is left out.
    """
    classes = probabilities.shape[1]
    matrix = confusion(truth, probabilities.argmax(1), classes, weights)
    labels = [1] if classes == 2 else range(classes)
    precisions = [average_precision(truth == k, probabilities[:, k], weights) for k in labels]
    return {
        "f1": f1(matrix, "macro"),
        "f1_micro": f1(matrix, "micro"),
        "f1_weighted": f1(matrix, "weighted"),
        "hl": hamming(matrix),
        "map": np.asarray(np.nanmean(precisions, axis=0)),
    }


def mean_over(runs: list[dict[str, Array]], seed: int = 0) -> dict[str, Array]:
    """Mean of each figure over runs (training seeds), each resample over runs drawn anew.

    So an interval holds both what other test posts and what other training seeds would have changed.
    """
    n, resamples = len(runs), len(next(iter(runs[0].values()))) - 1
    draws = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=resamples)
    weights = np.concatenate((np.ones((1, n)), draws)) / n
    return {name: (weights.T * np.stack([run[name] for run in runs])).sum(0) for name in runs[0]}


def interval(resampled: Array, level: float = 0.95) -> tuple[float, float]:
    """Percentile interval of figures [1 + resamples] whose first entry is the plain one."""
    low, high = np.quantile(resampled[1:], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def differs(better: Mapping[str, Array], worse: Mapping[str, Array], figure: str) -> tuple[float, float, float]:
    """``better`` minus ``worse`` in one figure over the same resamples: the plain difference and its 95 % interval."""
    gap = better[figure] - worse[figure]
    return float(gap[0]), *interval(gap)
