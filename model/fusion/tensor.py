"""Tensor fusion (Zadeh et al., "Tensor Fusion Network for Multimodal Sentiment Analysis", EMNLP 2017)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.fusion.align import check_present, keep_present
from model.fusion.base import Fusion

LARGEST = 2_000_000
"""Most entries a fused vector may have; four modalities at the usual 32 make 1.2 million."""


class TensorFusion(Fusion):
    """Outer product of [1; P_i V_i] over the modalities: every product of entries of every subset of modalities.

    An absent modality leaves only the 1 of its factor, so what remains is the product of those present.
    """

    def __init__(self, n: int, width: int, projection: int = 32) -> None:
        super().__init__()
        self.fused_width = (projection + 1) ** n
        if self.fused_width > LARGEST:
            raise ValueError(
                f"tensor fusion of {n} modalities at {projection} entries each would make {self.fused_width:,} numbers "
                f"a post, more than {LARGEST:,}: use fewer modalities or a smaller projection"
            )
        self.project = nn.ModuleList(nn.Linear(width, projection) for _ in range(n))

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        """Fuse ``vectors`` [b, N, D] to [b, (projection + 1)^N].

        Raises:
            ValueError: a row without any modality.
        """
        check_present(mask)
        vectors = keep_present(vectors, mask)
        product = vectors.new_ones(len(vectors), 1)
        for i, project in enumerate(self.project):
            factor = F.pad(keep_present(project(vectors[:, i]), mask[:, i]), (1, 0), value=1.0)
            product = torch.einsum("bp,bq->bpq", product, factor).flatten(1)
        return product, None
