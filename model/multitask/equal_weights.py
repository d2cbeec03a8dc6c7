"""The plain sum of losses: every task counts the same, always (the paper's baseline)."""

from __future__ import annotations

from model.multitask.balancer import Balancer
from model.multitask.losses import TaskLosses
from model.multitask.output import NetworkOutput


class EqualWeights(Balancer):
    """lambda = 1; ``beta`` 0 is cross-entropy, 2 the focal loss of equation 10."""

    def backward(self, losses: TaskLosses, output: NetworkOutput) -> None:  # noqa: ARG002
        """Send back the sum of the losses."""
        losses.values.sum().backward()  # type: ignore[no-untyped-call]
