"""The trained model behind the face of :mod:`model.scorer`: three encoders, the fusion network, the calibration.

On a CPU a batch is dealt out to threads that each take their share through the whole model, one thread an operation.
Threads inside each operation would wait for one another hundreds of times a batch, and for a whole time slice each time
the machine is busy with something else. On a GPU a batch goes through whole.

A pass over a GPU is queued whole and waited for once (:mod:`model.kernels.device`); the next one is prepared meanwhile.

On a CPU in the format ``int8`` texts and photos are read in 8 bit, and where a post comes out near the line between two
labels what they hang on once more in floats. In ``bfloat16`` photos without a text are, in float32.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from model.encoders import image as photos
from model.encoders.clean import clean
from model.encoders.context import ContextEncoder
from model.encoders.image import ImageEncoder
from model.encoders.text import TextEncoder
from model.fusion.align import check_present
from model.kernels.device import Device, device_of
from model.kernels.heap import share_heap
from model.kernels.precision import Format, dtype_of, fastest_format
from model.kernels.sizes import filled
from model.network import FusionNetwork
from model.scorer import (
    CONCEPTS,
    LABELS,
    MODALITIES,
    NO_IMAGE,
    Concept,
    ConceptScore,
    Explanation,
    ModelInfo,
    ModelRefusedError,
    PostInput,
    Scored,
)
from model.serving.bundle import NEWER, Bundle, Manifest, load_bundle
from model.serving.calibration import Calibration, completed
from model.serving.placement import placed
from model.serving.ranges import RANGES, sample
from model.serving.vet import check_manifest

Answers = dict[Concept, ConceptScore]
FEWEST = 4
SHARED_BY_ALL = 32
"""Texts and photos in a batch that all threads share; a smaller batch is left to fewer of them, with ``FEWEST`` each at
least. A pass costs 6 ms of a core beside 3.4 a text, and whoever else needs a core finds one."""
KEPT_KERNELS = 512
"""Kernels that oneDNN, and torch's layer over it, each keep: all that the few sizes of :mod:`model.kernels.sizes` ask
for. To make one anew takes up to 16 ms of a core."""
CLOSE: Mapping[Format, Mapping[tuple[bool, bool], float]] = {
    "int8": {(True, False): 0.05, (True, True): 0.1, (False, True): 0.1},
    "bfloat16": {(False, True): 0.03},
}
"""Posts, with a text and with a photo or not, whose two likeliest labels of a concept are this near are asked again in
floats: a twentieth of texts and nearly all those whose label 8 bits change (docs/performance.md has .03 to .08)."""
_BY_TEXT = {*CONCEPTS} - {"damage"}
_ALONE = {"text": (True, False, True), "image": (False, True, False)}
"""What is shown of text, image and context when one is asked without the other; context goes with the text."""


class FusedScorer:
    """Scores posts with a bundle's weights. A post's answer does not depend on the posts beside it in the batch."""

    image_size = photos.SIZE

    def __init__(
        self,
        bundle: Bundle,
        *,
        threads: int | None = None,
        device: torch.device | str | Device = "cpu",
        number_format: Format | None = None,
    ) -> None:
        manifest = bundle.manifest
        check_manifest(manifest)
        self.where = device_of(device)
        self.device = self.where.torch
        self.batch = self.where.posts
        self.number_format: Format = number_format or fastest_format(self.device)
        dtype = dtype_of(self.number_format)
        self.threads = (threads or len(os.sched_getaffinity(0))) if self.device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.threads, "score")
        self.manifest: Manifest = manifest
        self.info = ModelInfo(manifest.name, manifest.version, manifest.sha256, frozenset(manifest.languages))
        self.text = TextEncoder.serve(manifest.text_model, bundle.part("text"), self.where, self.number_format)
        if self.number_format == "int8":
            self.text.quicken(bundle.part(RANGES) or self.text.ranges(sample()))
        self._twice = self.number_format in CLOSE and self.device.type == "cpu"
        quick, exact = (self.number_format, torch.float32) if self._twice else (None, dtype)
        self.image = ImageEncoder.load(self.where, exact, quick=quick, own=bundle.part("image"))
        self.context = ContextEncoder()
        _fill(self.context, "context", bundle.part("context"))
        self.network = FusionNetwork(manifest.network, dtype)
        _fill(self.network, "network", bundle.part("network"))
        self.network.to(self.device).for_service(padded=self.where.padded)
        self._fused = self.where.graphed(self._fuse)
        self.calibration = Calibration({c: len(names) for c, names in manifest.network.concepts.items()})
        _fill(self.calibration, "calibration", completed(bundle.part("calibration")))

    @classmethod
    def load(
        cls,
        source: str | Path = "default",
        *,
        threads: int | None = None,
        device: str = "auto",
        number_format: Format | Literal["auto"] = "auto",
    ) -> Self:
        """Load a shipped model by name, or a folder of weights; ``threads`` score side by side, one a core when None.

        ``device`` is one of torch's or ``auto``: the GPU where torch finds one, else the CPU. ``number_format`` is what
        it multiplies in, ``auto`` being the device's fastest. From here on torch uses one thread an operation in this
        process, and all threads one heap.

        Raises:
            DeviceError: there is no such device here, or it has no such number format.
            FileNotFoundError: no such folder of weights.
            ModelRefusedError: a hash does not match, its labels are others, or an encoder is not at hand.
        """
        torch.set_num_threads(1)
        share_heap()
        for name in ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY"):
            os.environ.setdefault(name, str(KEPT_KERNELS))  # read at their first use
        where, what = placed(device, number_format)
        return cls(load_bundle(source), threads=threads, device=where, number_format=what)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize and crop one image to [224, 224, 3] uint8."""
        return photos.prepare(image)

    def score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Score posts in order, one answer each.

        Raises:
            ValueError: an image was not made by :meth:`prepare`.
        """
        parts = shares(posts, self.threads)
        if len(parts) == 1:
            return self._score(posts)
        done = self._pool.map(self._score, [[posts[i] for i in part] for part in parts])
        scored = {
            i: each for part, answers in zip(parts, done, strict=True) for i, each in zip(part, answers, strict=True)
        }
        return [scored[i] for i in range(len(posts))]

    @torch.inference_mode()
    def _score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Label the posts; those that a quick format leaves unsure are asked again.

        More exact is then what the unsure labels hang on: damage on photos, others on the text where there is one.
        """
        words = self._words(posts)
        with self.where.turn():
            vectors, mask = self._encode(posts, words, quick=True)
            judged = self._judge(vectors, mask)
        scored = self._told(judged, mask)
        if not self._twice:
            return scored
        within = CLOSE[self.number_format]
        near = [within.get((i in words, bool(post.images)), 0.0) for i, post in enumerate(posts)]
        unsure = [close(*each) for each in zip(scored, near, strict=True)]
        texts = [i for i in words if unsure[i] & _BY_TEXT]
        seen = [i for i, post in enumerate(posts) if post.images and unsure[i] - (_BY_TEXT if i in words else set())]
        if again := sorted({*texts, *seen}):
            if texts:
                vectors["text"][texts] = self.text.vectors([words[i] for i in texts])
            if seen:
                vectors["image"][seen] = self._photos([posts[i].images for i in seen], quick=False)
            some = {name: vector[again] for name, vector in vectors.items()}
            for i, each in zip(again, self._told(self._judge(some, mask[again]), mask[again]), strict=True):
                scored[i] = each
        return scored

    def _judge(self, vectors: Mapping[str, Tensor], mask: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and weights [n, k] of vectors [b, d], of mask [b, 3] on the CPU; and what was shown of each [n, 3].

        The first b rows are the posts; then come, in the same pass, the texts and the photos of those that have both
        by themselves.
        """
        both = (mask[:, 0] & mask[:, 1]).nonzero().flatten()
        rows = torch.cat((torch.arange(len(mask)), *(both for _ in _ALONE)))
        shown = torch.cat((mask, *(mask[both] & torch.tensor(side) for side in _ALONE.values())))
        check_present(shown)
        index, asked = self.where.up(filled(rows)), self.where.up(filled(shown))
        given = [vectors[name].index_select(0, index) for name in MODALITIES]
        return self.where.down(self._fused(*given, asked)[: len(shown)]), shown

    def _fuse(self, *given: Tensor) -> Tensor:
        """Logits of all concepts and, where the fusion has them, attention and pair weights, side by side [n, k]."""
        *vectors, mask = given
        output = self.network(dict(zip(MODALITIES, vectors, strict=True)), mask)
        weights = (output.weights.attention, output.weights.pairs) if output.weights else ()
        return torch.cat(
            [each.float() for each in (*(output.logits[c] for c in self.manifest.network.concepts), *weights)], dim=1
        )

    def _told(self, judged: tuple[Tensor, Tensor], mask: Tensor) -> list[Scored]:
        """The answers of :meth:`_judge` for posts of which ``mask`` [b, 3] was there."""
        (numbers, shown), count = judged, len(mask)
        config = self.manifest.network
        widths = [config.columns(concept) for concept in config.concepts]
        *columns, rest = torch.split(numbers, [*widths, numbers.shape[1] - sum(widths)], dim=1)
        probabilities = self.calibration(dict(zip(config.concepts, columns, strict=True)), shown)
        tables = {concept: probabilities[concept].tolist() for concept in CONCEPTS}
        answers = [
            {c: answer(c, tables[c][i], seen=seen) for c in CONCEPTS} for i, seen in enumerate(shown[:, 1].tolist())
        ]
        both = (mask[:, 0] & mask[:, 1]).nonzero().flatten().tolist()
        alone: list[dict[str, Answers]] = [{} for _ in mask]
        sides = [(i, side) for side in _ALONE for i in both]
        for (i, side), each in zip(sides, answers[count:], strict=True):
            alone[i][side] = each
        attention, pairs = rest[:, : len(MODALITIES)], rest[:, len(MODALITIES) :]
        return [Scored(*each) for each in zip(answers[:count], explain(attention, pairs, mask), alone, strict=True)]

    @torch.inference_mode()
    def encode(self, posts: Sequence[PostInput]) -> tuple[dict[str, Tensor], Tensor]:
        """A vector [b, d] for each modality and the mask [b, 3] of those a post has; several photos give their mean."""
        vectors, mask = self._encode(posts, self._words(posts))
        return {name: vector.cpu() for name, vector in vectors.items()}, mask

    def _words(self, posts: Sequence[PostInput]) -> dict[int, list[int]]:
        """Word pieces of the posts that have a text."""
        there = [i for i, post in enumerate(posts) if clean(post.text)]
        return dict(zip(there, self.text.tokens([posts[i].text for i in there]), strict=True))

    def _encode(
        self, posts: Sequence[PostInput], words: Mapping[int, list[int]], *, quick: bool = False
    ) -> tuple[dict[str, Tensor], Tensor]:
        """As :meth:`encode`, the vectors still on the device; ``quick`` where there are quicker layers."""
        with_image = [i for i, post in enumerate(posts) if post.images]
        mask = torch.zeros(len(posts), len(MODALITIES), dtype=torch.bool)
        mask[list(words), 0] = True
        mask[with_image, 1] = True
        mask[:, 2] = mask[:, 0] | ~mask[:, 1]  # context goes with the text: no photo by itself was learned with one
        vectors = {
            "text": torch.zeros(len(posts), self.text.width, device=self.device),
            "image": torch.zeros(len(posts), self.image.width, device=self.device),
            "context": self.where.up(self.context([post.context for post in posts], [post.text for post in posts])),
        }
        if words:
            read = self.text.vectors(list(words.values()), quick=quick)
            vectors["text"].index_copy_(0, self.where.up(torch.tensor(list(words))), read)
        if with_image:
            read = self._photos([posts[i].images for i in with_image], quick=quick)
            vectors["image"].index_copy_(0, self.where.up(torch.tensor(with_image)), read)
        return vectors, mask

    def _photos(self, images: Sequence[Sequence[NDArray[np.uint8]]], *, quick: bool) -> Tensor:
        flat = [one for several in images for one in several]
        wrong = next((one.shape for one in flat if one.shape != (self.image_size, self.image_size, 3)), None)
        if wrong:
            raise ValueError(f"an image has shape {wrong}: make images with prepare()")
        owner = torch.tensor([i for i, several in enumerate(images) for _ in several])
        sums = torch.zeros(len(images), self.image.width, device=self.device)
        sums.index_add_(0, self.where.up(owner), self.image.vectors(flat, quick=quick))
        return sums / self.where.up(torch.bincount(owner).unsqueeze(1))


def _fill(module: nn.Module, part: str, state: Mapping[str, Tensor]) -> None:
    try:
        module.load_state_dict(state)
    except RuntimeError as error:  # it names the tensors, and words of a file are not ours to say
        raise ModelRefusedError(f"its tensors of {part} are not those that this version has: {NEWER}") from error


def close(scored: Scored, within: float) -> set[Concept]:
    """The concepts whose two likeliest labels are nearly as likely."""
    found: set[Concept] = set()
    if not within:
        return found
    for concept, answer in scored.labels.items():
        first, second = sorted(answer.probabilities.values(), reverse=True)[:2] or (1.0, 0.0)
        if first - second < within:
            found.add(concept)
    return found


def shares(posts: Sequence[PostInput], count: int) -> list[list[int]]:
    """Indices of ``posts`` in at most ``count`` parts of like work: photos and long texts are dealt out evenly.

    The most work first, to and fro, so that no part always gets the longer text.
    """
    work = len(posts) + sum(len(post.images) for post in posts)
    parts = min(count, len(posts), -(-work // max(FEWEST, SHARED_BY_ALL // count)))
    order = sorted(range(len(posts)), key=lambda i: (len(posts[i].images), len(posts[i].text)), reverse=True)
    to_and_fro = [*range(parts), *reversed(range(parts))]
    return [[i for place, i in enumerate(order) if to_and_fro[place % (2 * parts)] == part] for part in range(parts)]


def answer(concept: Concept, probabilities: Sequence[float], *, seen: bool) -> ConceptScore:
    """One concept's probabilities as an answer; ``seen`` says whether the post has a usable photo."""
    if concept == "damage" and not seen:
        return NO_IMAGE
    table: Mapping[str, float] = dict(zip(LABELS[concept], probabilities, strict=True))
    label = max(table, key=lambda name: table[name])
    return ConceptScore(label, table[label], table)


def explain(attention: Tensor, pairs: Tensor, mask: Tensor) -> list[Explanation]:
    """Attention [n, 3] and pair weights [n, 3] by name of the first rows, those of ``mask`` [b, 3], where present.

    Zeros where the fusion has none, whose weights have no column.
    """
    names = list(combinations(range(len(MODALITIES)), 2))
    if not attention.shape[1]:
        attention, pairs = torch.zeros(len(mask), len(MODALITIES)), torch.zeros(len(mask), len(names))
    rows = []
    for present, w, s in zip(mask.tolist(), attention[: len(mask)].tolist(), pairs[: len(mask)].tolist(), strict=True):
        used = [i for i, there in enumerate(present) if there]
        rows.append(
            Explanation(
                used=tuple(MODALITIES[i] for i in used),
                attention={MODALITIES[i]: w[i] for i in used},
                pairs={
                    f"{MODALITIES[x]}+{MODALITIES[y]}": v
                    for (x, y), v in zip(names, s, strict=True)
                    if {x, y} <= {*used}
                },
            )
        )
    return rows
