"""The one interface of everything that decides how much each task's loss counts.

A training step reads::

    output = network(vectors, mask)
    balancer.backward(network.losses(output, labels, balancer.beta), output)
    optimizer.step()

and an epoch ends with ``balancer.end_epoch()``. A balancer is a module so that its state is saved with ``state_dict``.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.multitask.losses import TaskLosses
from model.multitask.output import NetworkOutput


class Balancer(nn.Module):
    """Weighs F losses, sums them and sends the gradient back."""

    weights: Tensor
    """lambda [F] of the last step."""

    def __init__(self, tasks: int, beta: float = 0.0) -> None:
        super().__init__()
        self.beta = beta
        self.register_buffer("weights", torch.ones(tasks))

    def backward(self, losses: TaskLosses, output: NetworkOutput) -> None:
        """Add this batch's gradients to the network's parameters, and renew the weights."""
        raise NotImplementedError

    def end_epoch(self) -> None:
        """Renew what changes once an epoch; by default nothing."""


def weight_gradient_norms(losses: TaskLosses, x: Tensor, ys: Sequence[Tensor]) -> Tensor:
    """||dL_f/dW||_2 [F] for the weight W of linear layers y = x W^T + b that share the input ``x`` [b, d].

    With A = dL_f/dy the gradient is A^T x, and its squared norm is the sum of (A A^T) * (x x^T): two b x b products in
    place of one F times as large as W. The graph is kept for the pass that follows.
    """
    gram = (x @ x.T).detach()
    squares = []
    for value, present in zip(losses.values, losses.present.tolist(), strict=True):
        slopes = torch.autograd.grad(value, ys, retain_graph=True, allow_unused=True) if present else ()
        products = [((a @ a.T) * gram).sum() for a in slopes if a is not None]
        squares.append(sum(products, start=value.new_zeros(())))
    return torch.stack(squares).detach().clamp(min=0).sqrt()
