"""The model alone, in memory, and the machine's limit for what it computes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Sequence
from statistics import median

from PIL import Image

from model.scorer import PostInput, Scorer
from stream_app.proving.bench.stream import PHOTOS, photo, text

BATCH = 64


def inputs(scorer: Scorer, count: int, photos: float, first: int = 10_000_000) -> list[PostInput]:
    """``count`` posts from number ``first`` as the model takes them; every 1/``photos``-th has a photo, prepared."""
    prepared = [scorer.prepare(Image.open(io.BytesIO(photo(number)))) for number in range(PHOTOS if photos else 0)]
    step = round(1 / photos) if photos else 0
    return [PostInput(text(first + n), (prepared[n % PHOTOS],) if step and n % step == 0 else ()) for n in range(count)]


def pass_s(scorer: Scorer, batch: Sequence[PostInput], repeats: int) -> tuple[float, float]:
    """Median seconds of one pass over ``batch`` after a warm-up pass: by the clock, and of this process's cores."""
    scorer.score(batch)
    times = []
    for _ in range(repeats):
        began, spent = time.perf_counter(), time.process_time()
        scorer.score(batch)
        times.append((time.perf_counter() - began, time.process_time() - spent))
    clock, cpu = zip(*times, strict=True)
    return median(clock), median(cpu)


def flops(scorer: Scorer, batch: Sequence[PostInput]) -> float:
    """Floating-point operations of matrix products in one pass over texts (a multiply-add is two).

    They are seen in the calling thread only, so ``scorer`` must work in one.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from model.kernels.packed import counted

    with FlopCounterMode(display=False, custom_mapping=counted()) as counter:
        scorer.score(batch)
    return float(counter.get_total_flops())


def gemm_s(size: int, repeats: int = 10) -> tuple[float, float, str]:
    """Median seconds, clock and cores', of a ``size`` x ``size`` product in the fastest format here, and its name.

    On all cores, whatever number of threads the model leaves torch with.
    """
    import torch

    from model.kernels.precision import fastest_dtype

    kind = fastest_dtype()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    a, b = (torch.randn(size, size).to(kind) for _ in range(2))
    times = []
    for _ in range(repeats + 1):
        began, spent = time.perf_counter(), time.process_time()
        a @ b
        times.append((time.perf_counter() - began, time.process_time() - spent))
    clock, cpu = zip(*times[1:], strict=True)
    return median(clock), median(cpu), str(kind).removeprefix("torch.")
