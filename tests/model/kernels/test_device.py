"""The GPU's path on what stands for one: torch's meta device, which has no values, and a CPU with stub streams."""

import threading
from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from model.kernels.device import Cuda, Device, device_of
from model.scorer import CONCEPTS, PostInput
from model.serving.bundle import Bundle, load_bundle
from model.serving.fused import FusedScorer

PHOTO = np.full((224, 224, 3), 90, np.uint8)
POSTS = [
    PostInput("Two people are missing after the flood, the bridge is gone"),
    PostInput("coffee", (PHOTO,)),
    PostInput("", (PHOTO, PHOTO // 2)),
    PostInput("donate water and blankets now " * 5),
    PostInput(""),
]


class Recorder(TorchDispatchMode):
    """Operations as they are run, to be run again into the tensors that they gave."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.steps.append((func, args, kwargs or {}, out))
        return out

    def replay(self):
        for func, args, kwargs, out in self.steps:
            again = func(*args, **kwargs)
            if isinstance(out, torch.Tensor) and again.data_ptr() != out.data_ptr():
                out.copy_(again)


class Stub:
    """What :class:`Cuda` asks of ``torch.cuda``; without ``graphs`` none can be captured."""

    def __init__(self, *, graphs=True):
        self.graphs, self.captured, self.waits, self.said = graphs, [], 0, []

    class Stream:
        def __init__(self, device):
            pass

        def wait_stream(self, other):
            pass

    def current_stream(self, device):
        return self.Stream(device)

    def stream(self, stream):
        return nullcontext()

    def device(self, device):
        return nullcontext()

    def graph_pool_handle(self):
        return None

    def Event(self):  # noqa: N802 - torch's name
        return self

    def record(self, stream):
        self.said.append("recorded")

    def synchronize(self):
        self.waits += 1
        self.said.append("waited")

    CUDAGraph = Recorder

    @contextmanager
    def graph(self, graph, pool):
        if not self.graphs:
            raise RuntimeError("operation not permitted when stream is capturing")
        self.captured.append(graph)
        with graph:
            yield


@pytest.fixture(scope="module")
def scorer_on(packaged_end):
    """The shipped model, with an end of the photo encoder's own whatever it ships with."""
    shipped = load_bundle("default")
    own = {f"image.{name}": value for name, value in packaged_end.items()}
    bundle = Bundle(shipped.manifest, {**shipped.tensors, **own})
    return lambda device: FusedScorer(bundle, device=device, number_format="float32")


@pytest.fixture(scope="module")
def on_cpu(scorer_on):
    return scorer_on(Device()).score(POSTS)


@pytest.mark.parametrize("graphs", [True, False])
def test_a_pass_gives_the_labels_of_a_cpu_and_is_waited_for_once(scorer_on, on_cpu, graphs):
    cuda = Stub(graphs=graphs)
    scorer = scorer_on(Cuda("cpu", cuda, pinned=False))
    assert scorer.batch == 256
    for turn, posts in enumerate((POSTS[::-1], POSTS), 1):  # the second goes through what the first captured
        scored = scorer.score(posts)
        assert cuda.waits == turn
    assert len(cuda.captured) >= 3 * graphs, "texts, photos and fusion"
    for one, other in zip(scored, on_cpu, strict=True):
        assert one.explanation.used == other.explanation.used
        assert one.explanation.attention == pytest.approx(dict(other.explanation.attention), abs=1e-4)
        assert one.alone.keys() == other.alone.keys()
        for concept in CONCEPTS:
            assert one.labels[concept].label == other.labels[concept].label
            wanted = dict(other.labels[concept].probabilities)
            assert one.labels[concept].probabilities == pytest.approx(wanted, abs=1e-4)


def test_no_step_of_a_pass_asks_the_gpu_for_a_value(scorer_on):
    """On ``meta`` whoever asks is told that there is none."""
    scorer = scorer_on(Cuda("meta", Stub(), pinned=False))
    assert len(scorer.score(POSTS)) == len(POSTS)
    with pytest.raises((RuntimeError, NotImplementedError)):
        scorer.where.up(torch.ones(3)).nonzero().tolist()


def test_while_a_pass_is_waited_for_the_next_is_queued():
    cuda, waiting, go = Stub(), threading.Event(), threading.Event()
    device = Cuda("cpu", cuda, pinned=False)
    cuda.synchronize = lambda: (waiting.set(), go.wait(10))

    def one():
        with device.turn():
            cuda.said.append("queued")

    threads = [threading.Thread(target=one) for _ in range(2)]
    threads[0].start()
    assert waiting.wait(10)
    waiting.clear()
    threads[1].start()
    assert waiting.wait(10), "the second got through while the first waits"
    go.set()
    for thread in threads:
        thread.join(10)
    assert cuda.said == ["queued", "recorded"] * 2


def test_a_cpu_is_left_as_it_is():
    x = torch.ones(3)
    device = device_of("cpu")
    assert type(device) is Device
    assert device.up(x) is x
    assert device.down(x) is x
    assert device.graphed(torch.neg) is torch.neg
    assert device_of(device) is device
