"""Where a network runs, and how a GPU is worked with: the one module that knows CUDA's streams, memory and graphs.

A pass is queued on a GPU whole and waited for once, at its end. So between :meth:`Device.turn`'s beginning and end
nothing may ask the GPU for a value: no ``item``, ``tolist`` or ``nonzero``, no size that depends on what a tensor
holds. Tests run that code on torch's ``meta`` device, which has no values to ask for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from threading import Lock
from typing import Any

import torch
from torch import Tensor

Run = Callable[..., Tensor]

logger = logging.getLogger(__name__)


class Device:
    """A CPU: tensors are where they are, and what is asked is answered at once.

    What a GPU wants otherwise is a name of this class.
    """

    posts = 64
    """Posts in a full batch."""
    tokens = 1024
    """Word pieces of a bucket of texts, padding included: what a layer works on stays in a core's cache."""
    padded = False
    """Whether padding goes through all layers: then no size depends on what a batch holds."""
    length = 8
    """Rows of word pieces are a multiple of this long."""

    def __init__(self, torch_device: torch.device | str = "cpu") -> None:
        self.torch = torch.device(torch_device)

    def photos(self, at_once: int) -> int:
        """Photos in one pass, where a core's cache takes ``at_once``."""
        return at_once

    def up(self, x: Tensor) -> Tensor:
        """A tensor of the CPU on the device."""
        return x

    def down(self, x: Tensor) -> Tensor:
        """A tensor of the device on the CPU: it may be read once the turn has ended."""
        return x

    def turn(self) -> Any:
        """A context in which a pass is queued; others that come meanwhile wait. At its end all of it is done."""
        return nullcontext()

    def graphed(self, run: Run) -> Run:
        """``run``, of tensors, as one operation for each set of their sizes, where the device has such."""
        return run


class Cuda(Device):
    """A GPU. ``cuda`` is :mod:`torch.cuda`, or what stands for it in a test.

    Never run on one so far: see docs/performance.md.
    """

    posts = 256
    tokens = 16_384
    padded = True
    length = 16

    def __init__(
        self, torch_device: torch.device | str = "cuda:0", cuda: Any = torch.cuda, *, pinned: bool = True
    ) -> None:
        super().__init__(torch_device)
        self._cuda, self._pinned = cuda, pinned
        self._lock = Lock()
        self._uploads = cuda.Stream(self.torch)
        self._pool = cuda.graph_pool_handle()

    def photos(self, at_once: int) -> int:  # noqa: ARG002 - memory is of another size here
        """Photos in one pass."""
        return 256

    def up(self, x: Tensor) -> Tensor:
        """By pinned memory, on a stream of its own, while the GPU works on."""
        here = self._cuda.current_stream(self.torch)
        with self._cuda.stream(self._uploads):
            there = (x.pin_memory() if self._pinned else x).to(self.torch, non_blocking=True)
        here.wait_stream(self._uploads)
        if there.is_cuda:
            there.record_stream(here)
        return there

    def down(self, x: Tensor) -> Tensor:
        """Into pinned memory, without waiting."""
        there = torch.zeros(x.shape, dtype=x.dtype, pin_memory=self._pinned)
        return there if x.is_meta else there.copy_(x, non_blocking=True)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The next pass is prepared, and queued behind this one, while this one is waited for."""
        with self._lock, self._cuda.device(self.torch):
            yield
            done = self._cuda.Event()
            done.record(self._cuda.current_stream(self.torch))
        done.synchronize()

    def graphed(self, run: Run) -> Run:
        """A CUDA graph for each set of sizes; where one cannot be made, ``run`` as it is."""
        kept: dict[tuple[torch.Size, ...], Run] = {}

        def called(*inputs: Tensor) -> Tensor:
            sizes = tuple(each.shape for each in inputs)
            if sizes not in kept:
                kept[sizes] = self._captured(run, inputs)
            return kept[sizes](*inputs)

        return called

    def _captured(self, run: Run, inputs: tuple[Tensor, ...]) -> Run:
        own = [each.clone() for each in inputs]
        try:
            aside, here = self._cuda.Stream(self.torch), self._cuda.current_stream(self.torch)
            aside.wait_stream(here)
            with self._cuda.stream(aside):
                run(*own)  # makes what is made at the first call only
            here.wait_stream(aside)
            graph = self._cuda.CUDAGraph()
            with self._cuda.graph(graph, pool=self._pool):
                out = run(*own)
        except RuntimeError as error:
            logger.warning("no CUDA graph for %s: %s", [tuple(each.shape) for each in inputs], error)
            return run

        def replayed(*inputs: Tensor) -> Tensor:
            for mine, given in zip(own, inputs, strict=True):
                mine.copy_(given, non_blocking=True)
            graph.replay()
            return out.clone()

        return replayed


def device_of(device: torch.device | str | Device | None) -> Device:
    """What runs on one of torch's devices."""
    if isinstance(device, Device):
        return device
    where = torch.device(device or "cpu")
    return Cuda(where) if where.type == "cuda" else Device(where)
