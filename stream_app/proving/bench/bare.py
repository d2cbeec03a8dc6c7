"""The model alone, in memory, and the machine's limit for what it computes."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any, NamedTuple

from PIL import Image

from model.kernels.precision import Format
from model.scorer import BATCH, PostInput, Scorer
from stream_app.proving.bench.stream import PHOTOS, photo, text


def inputs(scorer: Scorer, count: int, photos: float, first: int = 10_000_000) -> list[PostInput]:
    """``count`` posts from number ``first`` as the model takes them; every 1/``photos``-th has a photo, prepared."""
    prepared = [scorer.prepare(Image.open(io.BytesIO(photo(number)))) for number in range(PHOTOS if photos else 0)]
    step = round(1 / photos) if photos else 0
    return [PostInput(text(first + n), (prepared[n % PHOTOS],) if step and n % step == 0 else ()) for n in range(count)]


def batch_of(scorer: Scorer) -> int:
    """Posts in a full batch where it runs."""
    return int(getattr(scorer, "batch", BATCH))


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


class Work(NamedTuple):
    """Operations of matrix products (a multiply-add is two), in floats and in 8-bit integers."""

    floats: float
    integers: float


def operations(scorer: Scorer, batch: Sequence[PostInput]) -> Work:
    """Those of one pass over texts.

    They are seen in the calling thread only, so ``scorer`` must work in one.
    """
    from torch.utils.flop_counter import FlopCounterMode

    from model.kernels.packed import counted

    with FlopCounterMode(display=False, custom_mapping=counted()) as counter:
        scorer.score(batch)
    each = counter.get_flop_counts()["Global"]
    integers = float(sum(count for name, count in each.items() if "qlinear" in str(name)))
    return Work(float(counter.get_total_flops()) - integers, integers)


def gemm_s(number_format: str, size: int, device: str = "cpu", repeats: int = 10) -> tuple[float, float]:
    """Median seconds, clock and cores', of a ``size`` x ``size`` product in a number format.

    On the GPU, or on all cores, whatever number of threads the model leaves torch with.
    """
    import torch

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    product = _integer_product(size) if number_format == "int8" else _float_product(size, number_format, device)
    times = []
    with torch.inference_mode():
        for _ in range(repeats + 1):
            began, spent = time.perf_counter(), time.process_time()
            product()
            times.append((time.perf_counter() - began, time.process_time() - spent))
    torch.set_num_threads(1)
    clock, cpu = zip(*times[1:], strict=True)
    return median(clock), median(cpu)


def _float_product(size: int, number_format: str, device: str) -> Callable[[], object]:
    import torch

    a, b = (torch.randn(size, size).to(device, getattr(torch, number_format)) for _ in range(2))
    return lambda: float((a @ b)[0, 0])  # a GPU is waited for


def _integer_product(size: int) -> Callable[[], object]:
    import torch

    a = torch.randint(0, 127, (size, size), dtype=torch.uint8)
    b = torch.ops.onednn.qlinear_prepack(torch.randint(-63, 63, (size, size), dtype=torch.int8), [size, size])
    rest: tuple[Any, ...] = (
        torch.ones(size),
        torch.zeros(size, dtype=torch.int32),
        None,
        1.0,
        0,
        torch.float32,
        "none",
        [],
        "",
    )
    return lambda: torch.ops.onednn.qlinear_pointwise(a, 1.0, 0, b, *rest)


def text_encoder(
    name: str, number_format: Format, device: str, texts: Sequence[str]
) -> Callable[[Sequence[str]], object]:
    """A base text encoder as it is served, in a number format; it is shown ``texts`` where that needs some."""
    import torch

    from model.encoders.text import TextEncoder

    encoder = TextEncoder.serve(name, None, torch.device(device), number_format)
    if number_format == "int8":
        encoder.quicken(encoder.ranges(texts))
    return partial(encoder.encode, quick=True)
