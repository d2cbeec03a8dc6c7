"""Graph fusion as ARGF has it, the network the paper improves on.

Source: Mai, Hu, Xing, "Modality to Modality Translation: An Adversarial Representation Learning and Graph Fusion
Network for Multimodal Fusion", AAAI 2020, its graph fusion part. Written from the description, with the masking of
absent modalities added.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.fusion.align import check_present, keep_present
from model.fusion.base import Fusion, FusionWeights
from model.fusion.improved_graph import Pair, bimodal_pairs, masked_softmax, trimodal_pairs


class GraphLevel(nn.Module):
    """One level: vertex network Linear(2D -> 64), LeakyReLU, Linear(64 -> D), Tanh; similarity = dot of softmaxes."""

    left: Tensor
    right: Tensor

    def __init__(self, pairs: Sequence[Pair], width: int, hidden: int = 64, delta: float = 0.5) -> None:
        super().__init__()
        self.delta = delta
        self.vertex = nn.Sequential(nn.Linear(2 * width, hidden), nn.LeakyReLU(), nn.Linear(hidden, width), nn.Tanh())
        index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
        self.register_buffer("left", index[:, 0], persistent=False)
        self.register_buffer("right", index[:, 1], persistent=False)

    def forward(
        self, members: Tensor, weights: Tensor, present: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, FusionWeights]:
        """Members [b, M, D] with weights [b, M] to weighted vertices [b, P, D], raw q [b, P], valid [b, P], weights."""
        left, right = members[:, self.left], members[:, self.right]
        valid = present[:, self.left] & present[:, self.right]
        soft = members.softmax(dim=-1)
        similarity = (soft[:, self.left] * soft[:, self.right]).sum(dim=-1) * valid
        ends = torch.stack((weights[:, self.left], weights[:, self.right]), dim=-1)
        edges = keep_present(ends / (similarity + self.delta).unsqueeze(-1), valid)
        raw = edges.sum(dim=-1)
        normalised = masked_softmax(raw, valid)
        vertices = F.elu(normalised.unsqueeze(-1) * self.vertex(torch.cat((left, right), dim=-1)))
        return keep_present(vertices, valid), raw, valid, FusionWeights(weights, normalised, edges, similarity)


class GraphFusion(Fusion):
    """ARGF's three levels, concatenated and batch-normalised; the third takes up weighted vertices and raw weights."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.fused_width = 3 * width
        self.attention = nn.Linear(width, 1)
        self.bimodal = GraphLevel(bimodal_pairs(n), width)
        self.trimodal = GraphLevel(trimodal_pairs(n), width)
        self.norm = nn.BatchNorm1d(3 * width)

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, FusionWeights]:
        """Fuse ``vectors`` [b, N, D] to [b, 3D].

        Raises:
            ValueError: a row without any modality.
        """
        check_present(mask)
        vectors = keep_present(vectors, mask)
        attention = torch.sigmoid(self.attention(vectors)).squeeze(-1) * mask
        unimodal = (attention.unsqueeze(-1) * vectors).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        pairs, raw, valid, weights = self.bimodal(vectors, attention, mask)
        triples, *_ = self.trimodal(
            torch.cat((vectors, pairs), dim=1),
            torch.cat((attention, raw), dim=1),
            torch.cat((mask, valid), dim=1),
        )
        return self.norm(torch.cat((unimodal, pairs.sum(dim=1), triples.sum(dim=1)), dim=-1)), weights
