"""What one pass of a network gives, and what balancers take gradients at."""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from model.fusion.base import FusionWeights


@dataclass(frozen=True, slots=True)
class NetworkOutput:
    """What one pass gives: the answers, why, and the tensors that balancers take gradients at."""

    logits: dict[str, Tensor]
    """[b, K] a concept."""
    weights: FusionWeights | None
    """How the modalities were weighed, where the fusion can say."""
    fused: Tensor
    """The trunk's input [b, fused_width]."""
    hidden: Tensor
    """The trunk's linear output [b, trunk], before its LeakyReLU."""
    shared: Tensor
    """The trunk's output [b, trunk], input of the heads."""
    auxiliary: list[dict[str, Tensor]] = field(default_factory=list)
    """Further logits that ``interaction`` heads learn from in training."""
