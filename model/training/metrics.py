"""Figures of merit (method section 5), with ``average`` always said, and bootstrap intervals by duplicate group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

BINS = 15
RESAMPLES = 1000

Indices = NDArray[np.intp]


def measure(probabilities: Tensor, classes: Tensor) -> dict[str, float]:
    """All figures of one concept: probabilities [n, K] of labelled rows, true classes [n].

    ``hamming`` is the share of wrong labels over n x K when each class is a label of its own; ``map`` leaves out labels
    without positives; ``ece`` is the mean gap between confidence and accuracy over 15 equal bins (Guo et al., 2017).
    """
    from torchmetrics.functional.classification import (  # its import takes seconds: transformers comes with it
        multiclass_accuracy,
        multiclass_average_precision,
        multiclass_calibration_error,
        multiclass_f1_score,
    )

    k = probabilities.shape[1]
    chosen = probabilities.argmax(1)
    precision = multiclass_average_precision(probabilities, classes, k, average=None)
    present = torch.bincount(classes, minlength=k) > 0
    return {
        "n": float(len(classes)),
        "accuracy": float(multiclass_accuracy(chosen, classes, k, average="micro")),
        "f1_macro": float(multiclass_f1_score(chosen, classes, k, average="macro")),
        "f1_weighted": float(multiclass_f1_score(chosen, classes, k, average="weighted")),
        "hamming": float((chosen != classes).float().mean()) * 2 / k,
        "map": float(precision[present].mean()),
        "ece": float(multiclass_calibration_error(probabilities, classes, k, n_bins=BINS, norm="l1")),
    }


def by_group(groups: Sequence[int], seed: int = 0, resamples: int = RESAMPLES) -> list[Indices]:
    """Bootstrap samples of row indices in which copies of one post come or stay away together."""
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    pools = [np.asarray(rows) for rows in members.values()]
    rng = np.random.default_rng(seed)
    return [np.concatenate([pools[i] for i in rng.integers(0, len(pools), len(pools))]) for _ in range(resamples)]


def interval(figure: Callable[[Indices], float], samples: Sequence[Indices]) -> tuple[float, float]:
    """The 95 % percentile interval of ``figure``, a function of row indices."""
    low, high = np.percentile([figure(rows) for rows in samples], [2.5, 97.5])
    return float(low), float(high)


def accuracy_of(chosen: NDArray[np.int64], classes: NDArray[np.int64]) -> Callable[[Indices], float]:
    """Accuracy as a function of row indices, for :func:`interval`."""
    right = chosen == classes
    return lambda rows: float(right[rows].mean())


def macro_f1_of(chosen: NDArray[np.int64], classes: NDArray[np.int64], k: int) -> Callable[[Indices], float]:
    """Macro-F1 over the classes that occur, as a function of row indices; quick enough to resample."""

    def figure(rows: Indices) -> float:
        table = np.bincount(classes[rows] * k + chosen[rows], minlength=k * k).reshape(k, k)
        total = table.sum(0) + table.sum(1)
        return float((2 * table.diagonal()[total > 0] / total[total > 0]).mean())

    return figure


def rounded(figures: Mapping[str, float], digits: int = 4) -> dict[str, float]:
    """Figures fit to be written down."""
    return {name: round(value, digits) for name, value in figures.items()}
