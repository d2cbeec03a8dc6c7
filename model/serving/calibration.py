"""Probabilities that mean what they say: a temperature and a bias per concept, fitted on held-out posts.

Guo et al., 2017, arXiv:1706.04599. Texts, photos and texts with photos are calibrated apart: they are seldom equally
sure.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SEEN = ("text", "both", "photo")
"""What is seen of a post, each with a fit of its own."""
FEWEST = 50
"""With fewer labelled posts than this nothing is fitted."""
_PRIOR = 1e-2


def seen(mask: Tensor) -> Tensor:
    """Which of ``SEEN`` is there [b], from the presence [b, 3] of text, photo and context; context alone is a text."""
    photo = mask[:, 1].long()
    return photo + (photo.bool() & ~mask[:, 0])


def completed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A calibration's tables; those of a model made when photos alone had no fit of their own get that of ``both``."""
    return {
        name: torch.cat((table, table[1:])) if len(table) == len(SEEN) - 1 else table for name, table in state.items()
    }


class Calibration(nn.Module):
    """Logits of each concept [b, K or 1] to probabilities over its labels [b, labels], by what is :func:`seen`."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        super().__init__()
        self.log_scale = nn.ParameterDict({c: nn.Parameter(torch.zeros(len(SEEN), 1)) for c in labels})
        self.bias = nn.ParameterDict({c: nn.Parameter(torch.zeros(len(SEEN), k)) for c, k in labels.items()})

    def forward(self, logits: Mapping[str, Tensor], mask: Tensor) -> dict[str, Tensor]:
        """Calibrated probabilities of rows whose modalities are present as ``mask`` [b, 3] says."""
        which = seen(mask)
        return {concept: self.scores(concept, z, which).softmax(1) for concept, z in logits.items()}

    def scores(self, concept: str, logits: Tensor, which: Tensor) -> Tensor:
        """The calibrated class scores before the softmax; one column z stands for the two scores [0, z]."""
        z = F.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits
        scale: Tensor = self.log_scale[concept][which].exp()
        bias: Tensor = self.bias[concept][which]
        return z * scale + bias

    def fit(self, logits: Mapping[str, Tensor], classes: Mapping[str, Tensor], mask: Tensor) -> None:
        """Minimise the cross-entropy of labelled rows (class -1 is none) plus a weak pull towards no change."""
        which = seen(mask)
        for concept, z in logits.items():
            for side in range(len(SEEN)):
                rows = (classes[concept] >= 0) & (which == side)
                if int(rows.sum()) >= FEWEST:
                    self._fit(concept, z[rows].detach(), classes[concept][rows], which[rows])

    def _fit(self, concept: str, z: Tensor, classes: Tensor, which: Tensor) -> None:
        parameters = [self.log_scale[concept], self.bias[concept]]
        optimizer = torch.optim.LBFGS(parameters, lr=0.5, max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            pull = sum((p[which[:1]] ** 2).sum() for p in parameters)
            value: Tensor = F.cross_entropy(self.scores(concept, z, which), classes) + _PRIOR * pull / len(z) ** 0.5
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
