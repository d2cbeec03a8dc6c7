"""Probabilities that mean what they say: a temperature and a bias per concept, fitted on held-out posts.

Guo et al., 2017, arXiv:1706.04599. Posts with and without a photo are calibrated apart: they are seldom equally sure.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_FEWEST = 50
"""With fewer labelled posts than this nothing is fitted."""
_PRIOR = 1e-2


class Calibration(nn.Module):
    """Logits of each concept [b, K or 1] to probabilities over its labels [b, labels], with and without a photo."""

    def __init__(self, labels: Mapping[str, int]) -> None:
        super().__init__()
        self.log_scale = nn.ParameterDict({c: nn.Parameter(torch.zeros(2, 1)) for c in labels})
        self.bias = nn.ParameterDict({c: nn.Parameter(torch.zeros(2, k)) for c, k in labels.items()})

    def forward(self, logits: Mapping[str, Tensor], with_image: Tensor) -> dict[str, Tensor]:
        """Calibrated probabilities; ``with_image`` [b] bool says which of the two fits a row takes."""
        return {concept: self.scores(concept, z, with_image).softmax(1) for concept, z in logits.items()}

    def scores(self, concept: str, logits: Tensor, with_image: Tensor) -> Tensor:
        """The calibrated class scores before the softmax; one column z stands for the two scores [0, z]."""
        z = F.pad(logits, (1, 0)) if logits.shape[1] == 1 else logits
        which = with_image.long()
        scale: Tensor = self.log_scale[concept][which].exp()
        bias: Tensor = self.bias[concept][which]
        return z * scale + bias

    def fit(self, logits: Mapping[str, Tensor], classes: Mapping[str, Tensor], with_image: Tensor) -> None:
        """Minimise the cross-entropy of labelled rows (class -1 is none) plus a weak pull towards no change."""
        for concept, z in logits.items():
            for side in (False, True):
                rows = (classes[concept] >= 0) & (with_image == side)
                if int(rows.sum()) >= _FEWEST:
                    self._fit(concept, z[rows].detach(), classes[concept][rows], with_image[rows])

    def _fit(self, concept: str, z: Tensor, classes: Tensor, side: Tensor) -> None:
        parameters = [self.log_scale[concept], self.bias[concept]]
        optimizer = torch.optim.LBFGS(parameters, lr=0.5, max_iter=200, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            optimizer.zero_grad()
            pull = sum((p[side[:1].long()] ** 2).sum() for p in parameters)
            value: Tensor = F.cross_entropy(self.scores(concept, z, side), classes) + _PRIOR * pull / len(z) ** 0.5
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
