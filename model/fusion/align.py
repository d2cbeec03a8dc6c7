"""Modality vectors of different widths brought to one width D (method section 1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_LEAST_SPREAD = 1e-3


class Align(nn.Module):
    """Bring N vectors [b, d_i] to one tensor [b, N, D] with zeros in the rows of absent modalities.

    Of a longer vector the first d_i entries are read.

    ``pad`` (the paper): normalise over the d_i real entries, then pad with zeros on the right; D is max d_i and
    ``width`` is not used. ``project``: Linear(d_i -> D) of entries standardised as :meth:`fit` saw them, then
    normalise. ``norm`` is ``layer`` or, for a literal run, ``none``: without it the similarity of equation 4 is almost
    the same number for any two vectors.
    """

    def __init__(
        self,
        dims: Sequence[int],
        width: int,
        how: Literal["pad", "project"] = "project",
        norm: Literal["layer", "none"] = "layer",
    ) -> None:
        super().__init__()
        self.how = how
        self.dims = tuple(dims)
        self.width = width if how == "project" else max(dims)
        self.steps = nn.ModuleList(self._step(d, norm) for d in dims)

    def _step(self, d: int, norm: str) -> nn.Module:
        if self.how == "project":
            return nn.Sequential(Standardise(d), nn.Linear(d, self.width), _norm(self.width, norm))
        return _norm(d, norm)

    def fit(self, vectors: Sequence[Tensor], mask: Tensor) -> None:
        """Take the mean and spread of each entry from training rows, one tensor [n, d_i] a modality, mask [n, N].

        The linear maps could learn this by themselves, but in many more steps. ``pad`` has nothing to fit.
        """
        if self.how == "project":
            for step, d, vector, present in zip(self.steps, self.dims, vectors, mask.unbind(1), strict=True):
                cast("Standardise", cast("nn.Sequential", step)[0]).fit(vector[present, :d])

    def forward(self, vectors: Sequence[Tensor], mask: Tensor) -> Tensor:
        """Align ``vectors``, one [b, d_i] a modality; whatever stands in an absent one, NaN too, has no effect.

        Raises:
            ValueError: a post has no modality at all, or the count of vectors differs from that of the modalities.
        """
        check_present(mask)
        rows = []
        for step, d, vector, present in zip(self.steps, self.dims, vectors, mask.unbind(1), strict=True):
            aligned = cast("Tensor", step(keep_present(vector[:, :d], present)))
            rows.append(F.pad(aligned, (0, self.width - aligned.shape[1])))
        return keep_present(torch.stack(rows, dim=1), mask)


class Standardise(nn.Module):
    """Entries [b, d] to mean 0 and spread 1, as those that :meth:`fit` saw; unchanged before that."""

    mean: Tensor
    scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def fit(self, rows: Tensor) -> None:
        """Take mean and spread from ``rows`` [n, d]; what never varied there has no effect from now on.

        Nothing could be learned of it: a language or a count of followers that is known for the first time in service
        would else go through weights as they were drawn.
        """
        if len(rows) > 1:
            spread = rows.std(0)
            varied = spread > _LEAST_SPREAD
            self.mean.copy_(rows.mean(0))
            self.scale.copy_(torch.where(varied, 1 / spread.clamp(min=_LEAST_SPREAD), 0.0))

    def forward(self, rows: Tensor) -> Tensor:
        """Standardise ``rows`` [b, d]."""
        return (rows - self.mean) * self.scale


def _norm(width: int, norm: str) -> nn.Module:
    return nn.LayerNorm(width) if norm == "layer" else nn.Identity()


def keep_present(values: Tensor, present: Tensor) -> Tensor:
    """Replace ``values`` [..., D] by zeros where ``present`` [...] is false: a product would let NaN through."""
    return torch.where(present.unsqueeze(-1), values, values.new_zeros(()))


def check_present(mask: Tensor) -> None:
    """Refuse a batch in which some post has no modality.

    A GPU is not asked, since all that is queued there would be waited for: who serves from one has the mask here too.

    Raises:
        ValueError: naming the first such row.
    """
    if mask.device.type != "cpu":
        return
    empty = ~mask.any(dim=1)
    if empty.any():
        row = int(empty.nonzero()[0])
        raise ValueError(f"row {row} of the batch has no modality present: there is nothing to fuse")


def drop_modalities(mask: Tensor, rate: float, generator: torch.Generator | None = None) -> Tensor:
    """Training's modality dropout: hide each present modality with probability ``rate``, but never the last one left.

    Where the draw would hide them all, the post keeps all it has. Returns a new mask [b, N].
    """
    kept = mask & (torch.rand(mask.shape, generator=generator, device=mask.device) >= rate)
    return torch.where(kept.any(dim=1, keepdim=True), kept, mask)
