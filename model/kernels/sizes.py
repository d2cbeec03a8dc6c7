"""The few sizes that a pass's tensors have: a library makes, and keeps, a kernel for each that it meets.

oneDNN takes 3 to 16 ms of a core to make one of a linear layer in bfloat16, and .2 to 2 MB to keep it; a CUDA graph is
no cheaper. Batches are of all sizes, so these are rounded up here, and what is too much is given something to do that
nobody reads.
"""

from __future__ import annotations

import torch
from torch import Tensor


def few(count: int, between: int = 2, least: int = 1) -> int:
    """``count`` rounded up to one of ``between`` sizes from each power of two to the next, and a multiple of ``least``.

    By two: 1, 2, 3, 4, 6, 8, 12, 16, ...: half too much at worst; by eight an eighth.
    """
    step = max((1 << max(count - 1, 1).bit_length() - 1) // between, least)
    return -(-count // step) * step


def filled(x: Tensor) -> Tensor:
    """X [n, ...] with its first row again and again, up to one of few sizes."""
    return torch.cat((x, x[:1].expand(few(len(x)) - len(x), *x.shape[1:])))
