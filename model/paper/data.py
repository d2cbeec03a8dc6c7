"""CrisisMMD as frozen feature vectors: what every method of the paper's tables learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.crisis import load_rows
from model.data.rows import Row, classes, sample
from model.encoders.context import ContextEncoder
from model.scorer import MODALITIES, ContextFacts

Split = Literal["unified", "paper"]
SPLITS = ("train", "dev", "test")
Report = Callable[[str], None]
SOURCES = {"informativeness": "informativeness", "humanitarian": "humanitarian", "damage": "damage_crisismmd"}
"""The data's name of each concept of the tables; their damage is CrisisMMD's own label."""


@dataclass(frozen=True, slots=True)
class TableData:
    """n posts: vectors [n, d] a modality, presence [n, 3], class indices [n] a concept (-1 unknown), groups, splits."""

    vectors: dict[str, Tensor]
    mask: Tensor
    labels: dict[str, Tensor]
    groups: Tensor
    events: tuple[str, ...]
    split: tuple[str, ...]

    def rows(self, part: str) -> Tensor:
        """Indices of a split: ``train``, ``dev`` or ``test``."""
        return torch.tensor([i for i, name in enumerate(self.split) if name == part], dtype=torch.long)

    @property
    def dims(self) -> dict[str, int]:
        """Width of each modality's vector."""
        return {name: vectors.shape[1] for name, vectors in self.vectors.items()}


def load_table_data(
    data: Path, cache: Path, split: Split = "unified", report: Report = lambda _: None, sampled: int | None = None
) -> TableData:
    """The posts on whose labels the judges agree (about ``sampled`` of them), encoded once and kept in ``cache``.

    ``split`` is the published-without-leak one of the data or the ``paper``'s 60/20/20, by groups either way.

    Raises:
        FileNotFoundError: ``data`` is not the labelled data.
    """
    rows = [row for row in load_rows(data) if row.text is not None and set(row.agreed) & set(SOURCES.values())]
    rows = list(sample(rows, sampled))
    groups = [row.group for row in rows]
    parts = [row.split for row in rows] if split == "unified" else paper_split(groups)
    facts = [row.context or ContextFacts() for row in rows]
    texts = [row.text or "" for row in rows]
    context = ContextEncoder()
    train = [i for i, part in enumerate(parts) if part == "train"]
    context.fit([facts[i] for i in train], [texts[i] for i in train])
    frozen = _encoded(rows, cache, report)
    vectors = {"text": frozen["text"], "image": frozen["image"], "context": context(facts, texts)}
    assert tuple(vectors) == MODALITIES
    present = torch.tensor([[True, row.image is not None, True] for row in rows])
    labels = {c: torch.tensor(classes([row.agreed for row in rows], source)) for c, source in SOURCES.items()}
    return TableData(vectors, present, labels, torch.tensor(groups), tuple(row.event for row in rows), tuple(parts))


def paper_split(groups: Sequence[int], seed: int = 0) -> list[str]:
    """The paper's 60/20/20 as a split of whole groups, drawn with a fixed seed."""
    unique, sizes = np.unique(np.asarray(groups), return_counts=True)
    order = np.random.default_rng(seed).permutation(len(unique))
    share = np.cumsum(sizes[order]) / len(groups)
    part = {int(g): SPLITS[int(s > 0.6) + int(s > 0.8)] for g, s in zip(unique[order], share, strict=True)}
    return [part[g] for g in groups]


def _encoded(rows: Sequence[Row], cache: Path, report: Report) -> dict[str, Tensor]:
    """Frozen text and image features, from the cache where these very rows are in it."""
    digest = hashlib.sha256("\n".join(row.key for row in rows).encode()).hexdigest()[:16]
    path = cache / f"features-{digest}.safetensors"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        save_file({"text": _texts(rows, report), "image": _images(rows, report)}, path)
    return load_file(path)


def _texts(rows: Sequence[Row], report: Report) -> Tensor:
    from model.encoders.text import TextEncoder

    texts = [row.text or "" for row in rows]
    unique = list(dict.fromkeys(texts))
    report(f"reading {len(unique):,} different texts")
    encoder = TextEncoder.load().eval()
    vectors = encoder.encode(unique)
    index = {text: i for i, text in enumerate(unique)}
    return vectors[[index[text] for text in texts]]


def _images(rows: Sequence[Row], report: Report) -> Tensor:
    from PIL import Image

    from model.encoders.image import WIDTH, ImageEncoder, prepare

    report(f"looking at {sum(row.image is not None for row in rows):,} photos")
    encoder = ImageEncoder.load(dtype=torch.float32)
    vectors = torch.zeros(len(rows), WIDTH)
    for i, row in enumerate(rows):
        if row.image:
            with Image.open(row.image) as photo:
                vectors[i] = encoder.encode([prepare(photo)])[0]
    return vectors
