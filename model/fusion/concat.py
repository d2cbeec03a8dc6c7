"""Concatenation, the plainest fusion (the paper's baseline)."""

from __future__ import annotations

from torch import Tensor

from model.fusion.align import check_present, keep_present
from model.fusion.base import Fusion


class ConcatFusion(Fusion):
    """The aligned vectors side by side; zeros stand for an absent one."""

    def __init__(self, n: int, width: int) -> None:
        super().__init__()
        self.fused_width = n * width

    def forward(self, vectors: Tensor, mask: Tensor) -> tuple[Tensor, None]:
        """Fuse ``vectors`` [b, N, D] to [b, N D].

        Raises:
            ValueError: a row without any modality.
        """
        check_present(mask)
        return keep_present(vectors, mask).flatten(1), None
