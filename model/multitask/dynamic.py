"""The paper's dynamic multi-task learning: focal losses, gradient balance (equation 11), re-balance every epoch."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from model.multitask.balancer import Balancer, weight_gradient_norms
from model.multitask.losses import TaskLosses
from model.multitask.output import NetworkOutput

FLOOR = 1e-3
"""No task's weight falls below this."""
LARGEST_RATIO = 50.0
"""Cap of an epoch's re-balance factor k_f."""


def inverse_frequency(positives: Tensor, totals: Tensor) -> Tensor:
    """rho_f = M / m_f of equation 11 with m_f at least 1, normalised to mean 1 [F]."""
    rho = totals.float() / positives.float().clamp(min=1)
    return rho / rho.mean()


def balance_gradient(norms: Tensor, weights: Tensor, rates: Tensor, rho: Tensor, alpha: float) -> Tensor:
    """dL_D/dlambda [F] of equation 11: rho_f * sign(G_f - Gbar r_f^alpha) * ||grad_W L_f||.

    ``norms`` are those of the unweighted losses, so G_f = lambda_f * norm_f; the target Gbar r_f^alpha is a constant.
    """
    weighted = weights * norms
    return rho * torch.sign(weighted - weighted.mean() * rates**alpha) * norms


def renormalise(weights: Tensor, floor: float = FLOOR) -> Tensor:
    """Weights clamped to ``floor``, then brought to sum F by scaling what stands above the floor, so both hold."""
    above = weights.clamp(min=floor) - floor
    total = above.sum()
    if total <= 0:
        return torch.ones_like(weights)
    return floor + above * (len(weights) * (1 - floor) / total)


def rebalance(mean_losses: Tensor, largest: float = LARGEST_RATIO) -> Tensor:
    """lambda_f = F k_f / sum k with k_f = max_j L_j / L_f, at most ``largest``: the next epoch's initial weights."""
    k = (mean_losses.max() / mean_losses.clamp(min=1e-12)).clamp(max=largest)
    return len(k) * k / k.sum()


class DynamicMultitask(Balancer):
    """Balances tasks by their gradient norms and learning rates (equations 10 and 11).

    ``positives`` and ``totals`` are m_f and M [F] of the train split (``NetworkConfig.counts``). Gradients are taken at
    the ``trunk``'s weight or, the paper's literal words, at each task's own ``head``. lambda moves by plain SGD: Adam
    would divide rho away. The first ``initial_batches`` batches of a task only measure L_f(0). Means over batches
    are over their labelled rows: a batch with one labelled row counts as one, not as much as a full one.
    """

    initial: Tensor
    seen: Tensor
    measured: Tensor
    sums: Tensor
    counts: Tensor
    rho: Tensor

    def __init__(
        self,
        positives: Tensor,
        totals: Tensor,
        *,
        beta: float = 2.0,
        alpha: float = 1.0,
        rate: float = 0.025,
        at: Literal["trunk", "head"] = "trunk",
        initial_batches: int = 10,
    ) -> None:
        tasks = len(positives)
        super().__init__(tasks, beta)
        self.alpha, self.rate, self.at, self.initial_batches = alpha, rate, at, initial_batches
        self.register_buffer("rho", inverse_frequency(positives, totals))
        for name in ("initial", "seen", "measured", "sums", "counts"):
            self.register_buffer(name, torch.zeros(tasks))

    def backward(self, losses: TaskLosses, output: NetworkOutput) -> None:
        """Send back sum_f lambda_f L_f, then take one SGD step of lambda down L_D."""
        present = losses.present
        values = torch.where(present, losses.values.detach(), losses.values.new_zeros(()))
        ready = present & (self.seen >= self.initial_batches)
        norms = self._norms(losses, output) if ready.any() else None
        (self.weights * losses.values).sum().backward()  # type: ignore[no-untyped-call]
        self.sums += values * losses.rows
        self.counts += losses.rows
        if norms is not None:
            self._step(norms, values, ready)
        self._measure_initial(values, torch.where(ready, 0, losses.rows))

    def _norms(self, losses: TaskLosses, output: NetworkOutput) -> Tensor:
        if self.at == "trunk":
            return weight_gradient_norms(losses, output.fused, [output.hidden])
        return weight_gradient_norms(losses, output.shared, list(output.logits.values()))

    def _step(self, norms: Tensor, values: Tensor, ready: Tensor) -> None:
        """Move the weights of the tasks that are ``ready``; means over tasks are over these."""
        ratio = values[ready] / self.initial[ready].clamp(min=1e-12)
        rates = ratio / ratio.mean().clamp(min=1e-12)
        slope = balance_gradient(norms[ready], self.weights[ready], rates, self.rho[ready], self.alpha)
        moved = self.weights.clone()
        moved[ready] -= self.rate * slope
        self.weights.copy_(renormalise(moved))

    def _measure_initial(self, values: Tensor, rows: Tensor) -> None:
        """Running mean of the first batches' losses over their labelled rows: L_f(0)."""
        self.seen += rows > 0
        self.measured += rows
        self.initial += (values - self.initial) * rows / self.measured.clamp(min=1)

    def end_epoch(self) -> None:
        """Reset lambda for the next epoch from this epoch's mean unweighted losses."""
        if bool((self.counts > 0).all()):
            self.weights.copy_(rebalance(self.sums / self.counts))
        self.sums.zero_()
        self.counts.zero_()
