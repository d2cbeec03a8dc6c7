"""One loss per task, rows without a label left out (equations 8-10)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Granularity = Literal["binary", "group"]
UNKNOWN = -1
"""The class index of a row that nobody labelled in a concept."""


@dataclass(frozen=True, slots=True)
class TaskLosses:
    """The mean loss of each of F tasks over the batch's labelled rows."""

    values: Tensor
    """[F], 0 without gradient where the batch has no labelled row."""
    rows: Tensor
    """[F]: how many labelled rows the batch has for the task."""

    @property
    def present(self) -> Tensor:
        """[F] bool: the batch has labelled rows for the task."""
        return self.rows > 0


def focal_binary(logits: Tensor, targets: Tensor, beta: float) -> Tensor:
    """Equation 10 for a binary label, elementwise: (1 - p_d)^beta * -log p_d, without overflow for any logit.

    With s = z (2y - 1), p_d = sigmoid(s); ``beta`` 0 is binary cross-entropy. ``targets`` holds 0 and 1.
    """
    s = logits * (2 * targets - 1)
    return torch.sigmoid(-s) ** beta * F.softplus(-s)


def focal_softmax(logits: Tensor, classes: Tensor, beta: float) -> Tensor:
    """Equation 10 with p_d the softmax probability of the true class: logits [b, K], classes [b] -> [b]."""
    log_p = logits.log_softmax(dim=-1).gather(1, classes.unsqueeze(1)).squeeze(1)
    return (-torch.expm1(log_p)) ** beta * -log_p


def task_losses(
    logits: Mapping[str, Tensor], labels: Mapping[str, Tensor], granularity: Granularity, beta: float = 0.0
) -> TaskLosses:
    """Losses of all tasks in the order of ``logits`` ([b, K] a concept); ``labels`` are class indices [b] or UNKNOWN.

    ``binary``: one task per label column (a concept of two labels has one column, for the second label). ``group``: one
    task, a softmax, per concept. An unlabelled row is no negative: it takes no part.
    """
    values, counts = [], []
    for concept, z in logits.items():
        known = labels[concept] != UNKNOWN
        rows = _row_losses(z, labels[concept].clamp(min=0), granularity, beta)
        values.append(torch.where(known.unsqueeze(1), rows, rows.new_zeros(())).sum(0) / known.sum().clamp(min=1))
        counts.append(known.sum().expand(rows.shape[1]))
    return TaskLosses(torch.cat(values), torch.cat(counts))


def _row_losses(z: Tensor, classes: Tensor, granularity: Granularity, beta: float) -> Tensor:
    if granularity == "group":
        return focal_softmax(z, classes, beta).unsqueeze(1)
    return focal_binary(z, binary_targets(classes, z.shape[1]).to(z.dtype), beta)


def binary_targets(classes: Tensor, columns: int) -> Tensor:
    """Class indices [b] as 0/1 columns [b, K]; one column means the second of two classes."""
    if columns == 1:
        return classes.unsqueeze(1)
    return F.one_hot(classes, columns)


def task_counts(labels: Mapping[str, Tensor], columns: Mapping[str, int]) -> tuple[Tensor, Tensor]:
    """Positives m_f and labelled rows M of every task [F] (equation 11), from a train split's class indices.

    ``columns`` is K of each concept; in ``group`` granularity give 0: the task is the concept, its positives are its
    labelled rows and M is the number of all rows.
    """
    positives, totals = [], []
    for concept, k in columns.items():
        known = labels[concept][labels[concept] != UNKNOWN]
        if k:
            positives.append(binary_targets(known, k).sum(0))
            totals.append(torch.full((k,), len(known)))
        else:
            positives.append(torch.tensor([len(known)]))
            totals.append(torch.tensor([len(labels[concept])]))
    return torch.cat(positives), torch.cat(totals)
