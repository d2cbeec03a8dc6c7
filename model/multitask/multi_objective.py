"""MGDA (Sener and Koltun, "Multi-Task Learning as Multi-Objective Optimization", NeurIPS 2018)."""

from __future__ import annotations

import torch
from torch import Tensor
from torchjd.aggregation import MGDAWeighting

from model.multitask.balancer import Balancer
from model.multitask.losses import TaskLosses
from model.multitask.output import NetworkOutput


class MultiObjective(Balancer):
    """Weights of the shortest vector in the convex hull of the tasks' gradients at the shared representation.

    This is the paper's MGDA-UB: gradients are taken at the trunk's output, an upper bound that costs one pass in place
    of F. The weights sum to 1; a task without labelled rows in the batch gets 0.
    """

    def __init__(self, tasks: int, beta: float = 0.0) -> None:
        super().__init__(tasks, beta)
        self.solver = MGDAWeighting()

    def backward(self, losses: TaskLosses, output: NetworkOutput) -> None:
        """Solve for the weights of this batch, then send back the weighted sum."""
        present = losses.present.nonzero().squeeze(1)
        self.weights.zero_()
        if len(present):
            self.weights[present] = self.solver(_gramian(losses.values[present], output.shared))
        (self.weights * losses.values).sum().backward()  # type: ignore[no-untyped-call]


def _gramian(values: Tensor, shared: Tensor) -> Tensor:
    """Inner products [F, F] of the gradients of ``values`` [F] at ``shared`` [b, h]."""
    slopes = [torch.autograd.grad(value, shared, retain_graph=True)[0].flatten() for value in values]
    jacobian = torch.stack(slopes)
    return jacobian @ jacobian.T
