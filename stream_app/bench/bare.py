"""The model alone, in memory, and the machine's limit for what it computes."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from statistics import median

from PIL import Image

from model.scorer import PostInput, Scorer
from stream_app.bench.stream import PHOTOS, photo, text

BATCH = 64


def inputs(scorer: Scorer, count: int, photos: float) -> list[PostInput]:
    """``count`` posts as the model takes them; every 1/``photos``-th has a photo, prepared."""
    prepared = [scorer.prepare(Image.open(io.BytesIO(photo(number)))) for number in range(PHOTOS if photos else 0)]
    step = round(1 / photos) if photos else 0
    return [
        PostInput(text(10_000_000 + n), (prepared[n % PHOTOS],) if step and n % step == 0 else ()) for n in range(count)
    ]


def pass_s(scorer: Scorer, batch: Sequence[PostInput], repeats: int) -> float:
    """Median seconds of one pass over ``batch``, after a warm-up pass."""
    scorer.score(batch)
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        scorer.score(batch)
        times.append(time.perf_counter() - began)
    return median(times)


def flops(scorer: Scorer, batch: Sequence[PostInput]) -> float:
    """Floating-point operations of matrix products and convolutions in one pass (a multiply-add is two)."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        scorer.score(batch)
    return float(counter.get_total_flops())


def gemm_limit(repeats: int = 10) -> tuple[float, str]:
    """Floating-point operations a second in a 2048 x 2048 product, and the number format: the fastest here."""
    import torch

    from model.encoders.precision import fastest_dtype

    kind = fastest_dtype()
    a, b = (torch.randn(2048, 2048).to(kind) for _ in range(2))
    times = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - began)
    return 2 * 2048**3 / median(times[1:]), str(kind).removeprefix("torch.")
