"""Multi-scale task interaction, adapted from images to vectors.

Source: Vandenhende, Georgoulis, Van Gool, "MTI-Net: Multi-Scale Task Interaction Networks for Multi-Task Learning",
ECCV 2020. Adapted: its scales are feature maps of an image; here they are widths of a vector. Written from the paper,
its own code is under a non-commercial licence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Logits = dict[str, Tensor]


class LinearHeads(nn.ModuleDict):
    """One Linear(trunk -> K) a concept: the heads of every method but this one."""

    def __init__(self, trunk: int, columns: Mapping[str, int]) -> None:
        super().__init__({concept: nn.Linear(trunk, k) for concept, k in columns.items()})

    def forward(self, shared: Tensor) -> tuple[Logits, list[Logits]]:
        """Logits [b, K] by concept from the trunk's output [b, trunk], and no auxiliary ones."""
        return {concept: cast("Tensor", head(shared)) for concept, head in self.items()}, []


class Gate(nn.Module):
    """Squeeze-and-excitation for a vector: it is multiplied by weights in 0..1 that it chooses itself."""

    def __init__(self, width: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Linear(width, width // reduction)
        self.excite = nn.Linear(width // reduction, width)

    def forward(self, x: Tensor) -> Tensor:
        """Gate ``x`` [b, width]."""
        return x * torch.sigmoid(cast("Tensor", self.excite(F.relu(self.squeeze(x)))))


class Distillation(nn.Module):
    """What each task takes from the others at one scale: F_t + sum over s != t of gate(Linear(F_s))."""

    def __init__(self, tasks: int, width: int) -> None:
        super().__init__()
        self.paths = nn.ModuleDict(
            {
                f"{target}<{source}": nn.Sequential(nn.Linear(width, width), Gate(width))
                for target in range(tasks)
                for source in range(tasks)
                if source != target
            }
        )

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Refine one [b, width] a task."""
        refined = list(features)
        for name, path in self.paths.items():
            target, source = (int(part) for part in name.split("<"))
            refined[target] = refined[target] + path(features[source])
        return refined


class Propagation(nn.Module):
    """What a scale hands to the next: features of all tasks mixed, shared out by a softmax over tasks, gated."""

    def __init__(self, tasks: int, width: int, next_width: int) -> None:
        super().__init__()
        self.tasks = tasks
        self.mix = nn.Linear(tasks * width, tasks * width)
        self.up = nn.ModuleList(nn.Sequential(Gate(width), nn.Linear(width, next_width)) for _ in range(tasks))

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        """One [b, width] a task to one [b, next_width] a task."""
        stacked = torch.stack(list(features), dim=1)
        mixed = F.leaky_relu(self.mix(stacked.flatten(1))).view_as(stacked)
        passed = stacked + stacked * mixed.softmax(dim=1)
        return [up(x) for up, x in zip(self.up, passed.unbind(1), strict=True)]


class InteractionHeads(nn.Module):
    """Heads that talk: initial features per concept at three widths, small to large, distilled between concepts.

    Each width but the first also sees what the one before hands on. The last answer reads all widths. In training every
    width answers too (deep supervision): those are the auxiliary logits.
    """

    def __init__(self, trunk: int, columns: Mapping[str, int], widths: Sequence[int] = (64, 128, 256)) -> None:
        super().__init__()
        tasks = len(columns)
        self.concepts = tuple(columns)
        self.scales = nn.ModuleList(nn.Linear(trunk, width) for width in widths)
        self.initial = nn.ModuleList(nn.ModuleList(nn.Linear(w, w) for _ in columns) for w in widths)
        self.distil = nn.ModuleList(Distillation(tasks, width) for width in widths)
        self.propagate = nn.ModuleList(Propagation(tasks, width, after) for width, after in pairwise(widths))
        self.auxiliary = nn.ModuleList(LinearHeads(width, columns) for width in widths)
        self.last = LinearHeads(sum(widths), columns)

    def forward(self, shared: Tensor) -> tuple[Logits, list[Logits]]:
        """Logits [b, K] by concept from the trunk's output, and in training those of every width."""
        auxiliary: list[Logits] = []
        refined: list[list[Tensor]] = []
        handed: Sequence[Tensor | float] = [0.0] * len(self.concepts)
        for i, scale in enumerate(self.scales):
            base = F.leaky_relu(scale(shared))
            layers = cast("nn.ModuleList", self.initial[i])
            features = [F.leaky_relu(layer(base) + extra) for layer, extra in zip(layers, handed, strict=True)]
            if self.training:
                auxiliary.append(self._answer(cast("LinearHeads", self.auxiliary[i]), features))
            refined.append(self.distil[i](features))
            if i < len(self.propagate):
                handed = self.propagate[i](refined[-1])
        joined = [torch.cat(widths, dim=-1) for widths in zip(*refined, strict=True)]
        return self._answer(self.last, joined), auxiliary

    def _answer(self, heads: LinearHeads, features: Sequence[Tensor]) -> Logits:
        return {concept: heads[concept](x) for concept, x in zip(self.concepts, features, strict=True)}
