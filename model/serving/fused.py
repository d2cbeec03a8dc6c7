"""The trained model behind the face of :mod:`model.scorer`: three encoders, the fusion network, the calibration.

On a CPU a batch is dealt out to threads that each take their share through the whole model, one thread an operation.
Threads inside each operation would wait for one another hundreds of times a batch, and for a whole time slice each time
the machine is busy with something else. On a GPU a batch goes through whole.

In the format ``int8`` texts are read in 8 bit, and those that come out near the line between two labels once more in
floats.
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
from torch import Tensor

from model.data.sentences import load_sentences
from model.encoders import image as photos
from model.encoders.clean import clean
from model.encoders.context import ContextEncoder
from model.encoders.image import ImageEncoder
from model.encoders.text import TextEncoder
from model.fusion.base import FusionWeights
from model.kernels.heap import share_heap
from model.kernels.precision import Format, dtype_of, fastest_format
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
    PostInput,
    Scored,
)
from model.serving.bundle import Bundle, Manifest, load_bundle
from model.serving.calibration import Calibration, completed
from model.serving.placement import placed
from model.serving.vet import check_manifest

Answers = dict[Concept, ConceptScore]
FEWEST = 4
SHARED_BY_ALL = 32
"""Texts and photos in a batch that all threads share; a smaller batch is left to fewer of them, with ``FEWEST`` each at
least. A pass costs 6 ms of a core beside 3.4 a text, and whoever else needs a core finds one."""
KEPT_KERNELS = 256
"""Kernels that oneDNN, and torch's layer over it, each keep for the sizes of layers that were met. With their own 1,024
a worker passes 3 GB on texts of all lengths. Fewer than 200 would not hold those of one batch with photos."""
_SHOWN = 192
"""Of our own sentences, in all languages, an int8 text encoder is shown so many when it is loaded: 1.5 s of a core."""
CLOSE = 0.1
"""Posts whose two likeliest labels of a concept are this near in 8 bit are asked again in floats: a tenth of all posts,
and nearly all those among them whose label 8 bits change."""
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
        device: torch.device | str = "cpu",
        number_format: Format | None = None,
    ) -> None:
        manifest = bundle.manifest
        check_manifest(manifest)
        self.device = torch.device(device)
        self.number_format: Format = number_format or fastest_format(self.device)
        dtype = dtype_of(self.number_format)
        self.threads = (threads or len(os.sched_getaffinity(0))) if self.device.type == "cpu" else 1
        self._pool = ThreadPoolExecutor(self.threads, "score")
        self.manifest: Manifest = manifest
        self.info = ModelInfo(manifest.name, manifest.version, manifest.sha256, frozenset(manifest.languages))
        self.text = TextEncoder.serve(manifest.text_model, bundle.part("text"), self.device, self.number_format)
        if self.number_format == "int8":
            self.text.quicken(_sample())
        self.image = ImageEncoder.load(self.device, dtype)
        self.context = ContextEncoder()
        self.context.load_state_dict(bundle.part("context"))
        self.network = FusionNetwork(manifest.network, dtype)
        self.network.load_state_dict(bundle.part("network"))
        self.network.to(self.device).for_service()
        self.calibration = Calibration({c: len(names) for c, names in manifest.network.concepts.items()})
        self.calibration.load_state_dict(completed(bundle.part("calibration")))

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
        """Label the posts; those that 8 bits leave unsure are asked again with their texts in floats."""
        vectors, mask = self.encode(posts)
        scored = self._judge(vectors, mask)
        if self.number_format != "int8":
            return scored
        if again := [i for i, each in enumerate(scored) if mask[i, 0] and close(each)]:
            some = {name: vector[again] for name, vector in vectors.items()}
            some["text"] = self.text.encode([posts[i].text for i in again])
            for i, each in zip(again, self._judge(some, mask[again]), strict=True):
                scored[i] = each
        return scored

    def _judge(self, vectors: Mapping[str, Tensor], mask: Tensor) -> list[Scored]:
        """Label vectors [b, d] and, in the same pass, the text and the photos of each that has both by themselves."""
        both = (mask[:, 0] & mask[:, 1]).nonzero().flatten()
        count = len(mask)
        rows = torch.cat((torch.arange(count), *(both for _ in _ALONE)))
        shown = torch.cat((mask, *(mask[both] & torch.tensor(side) for side in _ALONE.values())))
        answers, weights = self._labels({name: vector[rows] for name, vector in vectors.items()}, shown)
        alone: list[dict[str, Answers]] = [{} for _ in mask]
        sides = [name for name in _ALONE for _ in both]
        for i, side, each in zip(rows[count:].tolist(), sides, answers[count:], strict=True):
            alone[i][side] = each
        return [Scored(*each) for each in zip(answers[:count], explain(weights, mask), alone, strict=True)]

    def _labels(self, vectors: Mapping[str, Tensor], mask: Tensor) -> tuple[list[Answers], FusionWeights | None]:
        output = self.network({name: vector.to(self.device) for name, vector in vectors.items()}, mask.to(self.device))
        logits = {concept: z.cpu() for concept, z in output.logits.items()}
        probabilities = self.calibration(logits, mask)
        tables = {concept: probabilities[concept].tolist() for concept in CONCEPTS}
        rows = [{c: answer(c, tables[c][i], seen=seen) for c in CONCEPTS} for i, seen in enumerate(mask[:, 1].tolist())]
        return rows, output.weights

    @torch.inference_mode()
    def encode(self, posts: Sequence[PostInput]) -> tuple[dict[str, Tensor], Tensor]:
        """A vector [b, d] for each modality and the mask [b, 3] of those a post has; several photos give their mean."""
        texts = [post.text for post in posts]
        with_text = [i for i, text in enumerate(texts) if clean(text)]
        with_image = [i for i, post in enumerate(posts) if post.images]
        mask = torch.zeros(len(posts), len(MODALITIES), dtype=torch.bool)
        mask[with_text, 0] = True
        mask[with_image, 1] = True
        mask[:, 2] = True
        vectors = {
            "text": torch.zeros(len(posts), self.text.width),
            "image": torch.zeros(len(posts), self.image.width),
            "context": self.context([post.context for post in posts], texts),
        }
        if with_text:
            vectors["text"][with_text] = self.text.encode([texts[i] for i in with_text], quick=True)
        if with_image:
            vectors["image"][with_image] = self._photos([posts[i].images for i in with_image])
        return vectors, mask

    def _photos(self, images: Sequence[Sequence[NDArray[np.uint8]]]) -> Tensor:
        flat = [one for several in images for one in several]
        wrong = next((one.shape for one in flat if one.shape != (self.image_size, self.image_size, 3)), None)
        if wrong:
            raise ValueError(f"an image has shape {wrong}: make images with prepare()")
        owner = torch.tensor([i for i, several in enumerate(images) for _ in several])
        sums = torch.zeros(len(images), self.image.width).index_add_(0, owner, self.image.encode(flat))
        return sums / torch.bincount(owner).unsqueeze(1)


def close(scored: Scored) -> bool:
    """Whether the two likeliest labels of a concept are nearly as likely."""
    for answer in scored.labels.values():
        first, second = sorted(answer.probabilities.values(), reverse=True)[:2] or (1.0, 0.0)
        if first - second < CLOSE:
            return True
    return False


def _sample() -> list[str]:
    """Some of our own sentences of training, from all over."""
    known = [each.text for each in load_sentences() if each.split == "train"]
    return known[:: max(1, len(known) // _SHOWN)]


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


def explain(weights: FusionWeights | None, mask: Tensor) -> list[Explanation]:
    """Attention and pair weights by name of the first rows, those of ``mask`` [b, 3], only for what was present.

    Empty where the fusion has none.
    """
    pairs = list(combinations(range(len(MODALITIES)), 2))
    attention = weights.attention[: len(mask)].tolist() if weights else [[0.0] * len(MODALITIES)] * len(mask)
    shares = weights.pairs[: len(mask)].tolist() if weights else [[0.0] * len(pairs)] * len(mask)
    rows = []
    for present, w, s in zip(mask.tolist(), attention, shares, strict=True):
        used = [i for i, there in enumerate(present) if there]
        rows.append(
            Explanation(
                used=tuple(MODALITIES[i] for i in used),
                attention={MODALITIES[i]: w[i] for i in used},
                pairs={
                    f"{MODALITIES[x]}+{MODALITIES[y]}": v
                    for (x, y), v in zip(pairs, s, strict=True)
                    if {x, y} <= {*used}
                },
            )
        )
    return rows
