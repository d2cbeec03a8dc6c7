"""A concept that one modality answers by itself: small networks on that modality's vector, their answers averaged."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.fusion.align import Standardise

_MEMBERS, _HIDDEN = 4, 48
_LEAVE_OUT, _DROPOUT = 0.3, 0.5


class Apart(nn.Module):
    """Vectors [b, d] to logits [b, K] by an ensemble (Lakshminarayanan et al., 2017, arXiv:1612.01474).

    Of longer vectors the last ``width`` entries are read: an encoder puts there what was made for this.
    """

    def __init__(self, width: int, labels: int) -> None:
        super().__init__()
        self.width = width
        self.standardise = Standardise(width)
        self.inner = nn.Linear(width, _MEMBERS * _HIDDEN)
        self.outer = nn.Parameter(torch.randn(_MEMBERS, _HIDDEN, labels) * _HIDDEN**-0.5)
        self.bias = nn.Parameter(torch.zeros(labels))

    def members(self, vectors: Tensor) -> Tensor:
        """Each member's own logits [members, b, K]."""
        x = F.dropout(self.standardise(vectors[:, -self.width :]), _LEAVE_OUT, self.training)
        hidden = F.dropout(F.gelu(self.inner(x)), _DROPOUT, self.training)
        return torch.einsum("bmh,mhk->mbk", hidden.view(-1, _MEMBERS, _HIDDEN), self.outer) + self.bias

    def forward(self, vectors: Tensor) -> Tensor:
        """The mean of the members' logits [b, K]."""
        return self.members(vectors).mean(0)

    def fit(self, vectors: Tensor, classes: Tensor, *, epochs: int = 15, batch: int = 64, rate: float = 1e-3) -> None:
        """Learn from nothing of labelled rows: vectors [n, d], class indices [n]."""
        self.standardise.fit(vectors[:, -self.width :])
        self.learn(vectors, classes, epochs=epochs, batch=batch, rate=rate)

    def learn(self, vectors: Tensor, classes: Tensor, *, epochs: int = 15, batch: int = 64, rate: float = 1e-4) -> None:
        """Go on learning, of vectors [n, d] and class indices [n]. Every member sees all, its own entries dropped.

        Of hundreds of rows, so with much dropout, smoothed labels and a rate that falls to nothing.
        """
        self.train()
        optimizer = torch.optim.AdamW(self.parameters(), lr=rate, weight_decay=0.1)
        steps = epochs * -(-len(vectors) // batch)
        falling = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(vectors)).split(batch):  # type: ignore[no-untyped-call]
                logits = self.members(vectors[rows])
                truth = classes[rows].expand(len(logits), -1)
                loss = F.cross_entropy(logits.flatten(0, 1), truth.flatten(), label_smoothing=0.1)
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                falling.step()
        self.eval()
