"""The paper's improved graph fusion network (equations 1-7), for any number of modalities, exact where some are absent.

Vertices: the modalities; all unordered pairs of them; and on the third level all pairs of pair vertices plus each pair
vertex with each modality outside it (for three modalities 3 + 3 = 6, figure 1 of the paper).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.fusion.align import check_present, keep_present
from model.fusion.base import Fusion, FusionWeights
from model.kernels.packed import Operation, linear
from model.kernels.sizes import filled

Pair = tuple[int, int]
Gate = Literal["none", "sigmoid", "share"]


def bimodal_pairs(n: int) -> list[Pair]:
    """All unordered pairs x < y of ``n`` modalities (equation 3)."""
    return list(combinations(range(n), 2))


def trimodal_pairs(n: int) -> list[Pair]:
    """The third level as pairs of indices into [modalities, then pair vertices] (the paper, after equation 6)."""
    pairs = bimodal_pairs(n)
    of_pairs = [(n + a, n + b) for a, b in combinations(range(len(pairs)), 2)]
    with_outsider = [(n + a, z) for a, pair in enumerate(pairs) for z in range(n) if z not in pair]
    return of_pairs + with_outsider


class DynamicAttention(nn.Module):
    """B of equation 1: the stacked vectors as a one-channel N x D image through Conv 5x5, Conv 1x1, mean over width.

    Present rows are moved to the front first, so an absent modality leaves no gap between its neighbours.

    ``gate`` says what becomes of that mean. ``none`` is the paper's reading and ``sigmoid`` bounds it; with both, w
    hardly varies: LayerNorm fixes each row's mean, and a mean over D averages the rest away. ``share`` keeps it alive:
    w is n / 2 times the softmax over the n present modalities of the sum over D divided by sqrt(D), 1 / 2 on average.
    """

    def __init__(self, gate: Gate = "none", channels: int = 8) -> None:
        super().__init__()
        self.gate = gate
        self.wide = nn.Conv2d(1, channels, 5, padding=2)
        self.point = nn.Conv2d(channels, 1, 1)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Weigh ``vectors`` [b, N, D]: w [b, N], 0 for the absent."""
        order = torch.argsort((~mask).to(torch.uint8), dim=1, stable=True)
        front = vectors.gather(1, order.unsqueeze(-1).expand_as(vectors))
        image = front.unsqueeze(1).to(memory_format=torch.channels_last)  # halves the convolutions' time on a CPU
        hidden = F.leaky_relu(self.wide(image))
        marks = F.leaky_relu(self.point(hidden)).squeeze(1)
        if self.gate == "share":
            there = mask.gather(1, order)
            shares = masked_softmax(marks.sum(dim=-1) / marks.shape[-1] ** 0.5, there)
            weights = (shares * there.sum(dim=1, keepdim=True) / 2).to(marks.dtype)
        else:
            weights = marks.mean(dim=-1)
            weights = weights.sigmoid() if self.gate == "sigmoid" else weights
        return torch.zeros_like(weights).scatter(1, order, weights) * mask


class VertexNetwork(nn.Module):
    """NN of equation 3: two vectors as two channels through Conv1d(2 -> 1, 3), Linear(D -> D), LeakyReLU.

    ``symmetric`` averages both orders of the two, which makes the unordered sum equal the paper's ordered double sum.
    """

    def __init__(self, width: int, *, symmetric: bool = False) -> None:
        super().__init__()
        self.symmetric = symmetric
        self.mix = nn.Conv1d(2, 1, 3, padding=1)
        self.dense = nn.Linear(width, width)
        self._folded: Operation | None = None
        self.chooses = False
        """Whether only the rows that have a vertex are worth a look, in service."""

    def forward(self, members: Tensor, left: Tensor, right: Tensor) -> Tensor:
        """Combine the ``members`` [b, M, D] that the indices ``left`` and ``right`` [P] name: vertices [b, P, D]."""
        if self._folded:
            # One product for all members: as left, bias included, and as right.
            ends = self._folded(members.flatten(0, 1)).view(*members.shape[:2], -1).chunk(2, dim=-1)
            combined = [F.leaky_relu(ends[0][:, x] + ends[1][:, y]) for x, y in self._orders(left, right)]
        else:
            combined = [self._combine(members[:, x], members[:, y]) for x, y in self._orders(left, right)]
        return (combined[0] + combined[1]) / 2 if self.symmetric else combined[0]

    def _orders(self, left: Tensor, right: Tensor) -> list[tuple[Tensor, Tensor]]:
        return [(left, right), (right, left)] if self.symmetric else [(left, right)]

    def _combine(self, left: Tensor, right: Tensor) -> Tensor:
        # As a 2-D convolution with channels last: the same numbers as Conv1d in a third of the time on a CPU.
        image = torch.stack((left, right), dim=-1).flatten(0, 1).unsqueeze(1).permute(0, 3, 1, 2)
        mixed = F.conv2d(image, self.mix.weight.unsqueeze(2), self.mix.bias, padding=(0, 1)).reshape(left.shape)
        return F.leaky_relu(cast("Tensor", self.dense(mixed)))

    def fold(self, dtype: torch.dtype, *, padded: bool = False) -> None:
        """Serve from now on with the convolution multiplied into the linear map, in ``dtype``: both are linear.

        ``padded`` where no size may depend on what rows hold.

        Row o of the map, W_o . (c * x), is (W_o correlated with c) . x: the map's rows through the kernel turned round.
        """
        weight, kernel = self.dense.weight.detach(), self.mix.weight.detach()
        ends = F.conv1d(weight.unsqueeze(1), kernel.transpose(0, 1).flip(-1), padding=1).transpose(0, 1)
        assert self.mix.bias is not None
        bias = self.dense.bias + self.mix.bias * weight.sum(dim=1)
        folded = linear(ends.flatten(0, 1).to(dtype), torch.cat((bias, torch.zeros_like(bias))).detach().to(dtype))
        self._folded, self.chooses = lambda x: folded(x.to(dtype)), not padded


@dataclass(frozen=True, slots=True)
class LevelOutput:
    """One level of the graph: its P vertices and how they were weighed."""

    fused: Tensor
    """G [b, D] (equation 6); 0 where no vertex is valid."""
    vertices: Tensor
    """V_xy [b, P, D], unweighted."""
    valid: Tensor
    """[b, P]: all members of the vertex are present."""
    raw: Tensor
    """q_xy [b, P], 0 where not valid."""
    weights: Tensor
    """w_xy [b, P], softmax of q over the valid vertices."""
    edges: Tensor
    """[b, P, 2]."""
    similarity: Tensor
    """S_xy [b, P]."""


class Level(nn.Module):
    """Equations 3-6 over a fixed list of vertex pairs."""

    left: Tensor
    right: Tensor

    def __init__(self, pairs: Sequence[Pair], width: int, delta: float, *, symmetric: bool) -> None:
        super().__init__()
        self.delta = delta
        self.vertex = VertexNetwork(width, symmetric=symmetric)
        index = torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)
        self.register_buffer("left", index[:, 0], persistent=False)
        self.register_buffer("right", index[:, 1], persistent=False)

    def forward(self, members: Tensor, weights: Tensor, present: Tensor) -> LevelOutput:
        """Join ``members`` [b, M, D] with their ``weights`` [b, M] and presence [b, M] pair by pair."""
        valid = present[:, self.left] & present[:, self.right]
        vertices = keep_present(self._vertices(members, valid), valid)
        similarity = pair_similarity(members, self.left, self.right) * valid
        ends = torch.stack((weights[:, self.left], weights[:, self.right]), dim=-1)
        edges = ends / (similarity + self.delta).unsqueeze(-1)
        edges = keep_present(edges, valid)
        raw = edges.sum(dim=-1)
        normalised = masked_softmax(raw, valid)
        fused = (normalised.to(vertices.dtype).unsqueeze(-1) * vertices).sum(dim=1)
        return LevelOutput(fused, vertices, valid, raw, normalised, edges, similarity)

    def _vertices(self, members: Tensor, valid: Tensor) -> Tensor:
        """The vertices [b, P, D], of rows without a valid one anything: a post without a photo has no triple.

        A CPU leaves those rows out in service; a GPU is not asked which they are.
        """
        if not self.vertex.chooses or bool((some := valid.any(dim=1)).all()):
            return cast("Tensor", self.vertex(members, self.left, self.right))
        rows = some.nonzero().squeeze(1) if bool(some.any()) else torch.zeros(1, dtype=torch.long)
        rows = filled(rows)
        made = cast("Tensor", self.vertex(members[rows], self.left, self.right))
        return made.new_zeros(len(members), *made.shape[1:]).index_copy_(0, rows, made)


def pair_similarity(members: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """S [b, P] of equation 4: cosine of the softmaxes over D of those ``members`` [b, M, D] that a pair joins.

    Each softmax is scaled to length 1 once, so that a pair costs one dot product.
    """
    unit = F.normalize(members.softmax(dim=-1), dim=-1)
    return (unit[:, left] * unit[:, right]).sum(dim=-1)


def masked_softmax(scores: Tensor, valid: Tensor) -> Tensor:
    """Softmax over the last axis among ``valid`` entries; the others get 0, and so do all where none is valid.

    In float32 at least: people are shown these, and in bfloat16 they would not sum to 1.
    """
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    some = valid.any(dim=-1, keepdim=True)
    shown = torch.where(some, scores.masked_fill(~valid, float("-inf")), scores.new_zeros(()))
    return torch.where(valid, shown.softmax(dim=-1), scores.new_zeros(()))


class ImprovedGraphFusion(Fusion):
    """Graph fusion with dynamic attention over single modalities, pairs and triples (equations 1-7).

    ``gate`` bounds the attention w; ``carry`` chooses what pair vertices take up to the third level: the ``normalised``
    w_xy or the ``raw`` q_xy; ``delta`` is the paper's 0.5.
    """

    def __init__(
        self,
        n: int,
        width: int,
        *,
        gate: Gate = "none",
        symmetric: bool = False,
        carry: Literal["normalised", "raw"] = "normalised",
        delta: float = 0.5,
    ) -> None:
        super().__init__()
        self.carry = carry
        self.fused_width = 3 * width
        self.attention = DynamicAttention(gate)
        self.bimodal = Level(bimodal_pairs(n), width, delta, symmetric=symmetric)
        self.trimodal = Level(trimodal_pairs(n), width, delta, symmetric=symmetric)

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, FusionWeights]:
        """Fuse ``vectors`` [b, N, D] into [G_unm; G_bim; G_trm] [b, 3D] (equation 7).

        Equals, to the last bit in float64 for up to three modalities, the graph built on the present modalities alone.

        Raises:
            ValueError: a row without any modality.
        """
        check_present(mask)
        vectors = keep_present(vectors, mask)
        attention = self.attention(vectors, mask)
        unimodal = (attention.unsqueeze(-1) * vectors).sum(dim=1) / mask.sum(dim=1, keepdim=True)
        pairs = cast("LevelOutput", self.bimodal(vectors, attention, mask))
        carried = pairs.weights if self.carry == "normalised" else pairs.raw
        triples = cast(
            "LevelOutput",
            self.trimodal(
                torch.cat((vectors, pairs.vertices), dim=1),
                torch.cat((attention, carried), dim=1),
                torch.cat((mask, pairs.valid), dim=1),
            ),
        )
        fused = torch.cat((unimodal, pairs.fused, triples.fused), dim=-1)
        return fused, FusionWeights(attention, pairs.weights, pairs.edges, pairs.similarity)
