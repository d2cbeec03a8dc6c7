"""What every fusion shares: its shape and the weights that explain it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class FusionWeights:
    """How the modalities were weighed; 0 for what is absent. P counts unordered pairs, in order 12, 13, 23."""

    attention: Tensor
    """w [b, N] (equation 1)."""
    pairs: Tensor
    """w_xy [b, P], sums to 1 over the present pairs (equation 5)."""
    edges: Tensor
    """Edge weights w_x/(S+delta), w_y/(S+delta) [b, P, 2]; they sum to the vertex weight q_xy."""
    similarity: Tensor
    """S_xy [b, P] (equation 4)."""


class Fusion(nn.Module):
    """A module from aligned vectors [b, N, D] and a mask [b, N] to ([b, ``fused_width``], weights or None)."""

    fused_width: int

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, FusionWeights | None]:
        """Fuse; rows of ``vectors`` whose mask is false have no effect."""
        raise NotImplementedError
