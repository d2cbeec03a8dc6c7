"""CrisisMMD as frozen feature vectors: what every method of the paper's tables learns from."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from model.data.crisis import load_rows
from model.data.rows import Row, classes, sample
from model.encoders.context import ContextEncoder
from model.scorer import MODALITIES, ContextFacts

Split = Literal["unified", "paper"]
SPLITS = ("train", "dev", "test")
Report = Callable[[str], None]
Look = Callable[[Image.Image], Tensor]
_ELMO_BATCH = 32
SOURCES = {"informativeness": "informativeness", "humanitarian": "humanitarian", "damage": "damage_crisismmd"}
"""The data's name of each concept of the tables; their damage is CrisisMMD's own label."""


@dataclass(frozen=True, slots=True)
class Extractors:
    """Where the frozen features come from: the packaged encoders, or the paper's, whose weights are the user's."""

    elmo: Path | None = None
    """Folder with ELMo's official ``options.json`` and its HDF5 weights."""
    inception: Path | None = None
    """InceptionV3's ImageNet weights as safetensors under timm's names."""

    @property
    def names(self) -> dict[str, str]:
        """What reads text and photos, and the beginning of its weights' SHA-256 where they are the user's."""
        text = f"ELMo {_digest(elmo_weights(self.elmo))}" if self.elmo else "multilingual-e5-small"
        image = f"InceptionV3 {_digest(self.inception)}" if self.inception else "EfficientNet-lite0"
        return {"text": text, "image": image}


PACKAGED = Extractors()


def elmo_weights(folder: Path) -> Path:
    """The one HDF5 file with weights in a folder.

    Raises:
        FileNotFoundError: there is none.
    """
    found = sorted(folder.glob("*weights*.hdf5"))
    if not found:
        raise FileNotFoundError(f"{folder} holds no ELMo weights (*weights*.hdf5) beside options.json")
    return found[0]


def _digest(file: Path) -> str:
    if not file.is_file():
        raise FileNotFoundError(f"there is no {file}: give the weights' file")
    return hashlib.sha256(file.read_bytes()).hexdigest()[:12]


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

    def on(self, device: torch.device) -> TableData:
        """The same posts on a device."""
        vectors, labels = ({name: each.to(device) for name, each in of.items()} for of in (self.vectors, self.labels))
        return replace(self, vectors=vectors, mask=self.mask.to(device), labels=labels)

    @property
    def dims(self) -> dict[str, int]:
        """Width of each modality's vector."""
        return {name: vectors.shape[1] for name, vectors in self.vectors.items()}


def load_table_data(
    data: Path,
    cache: Path,
    split: Split = "unified",
    report: Report = lambda _: None,
    sampled: int | None = None,
    extractors: Extractors = PACKAGED,
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
    frozen = _encoded(rows, cache, report, extractors)
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


def _encoded(rows: Sequence[Row], cache: Path, report: Report, extractors: Extractors) -> dict[str, Tensor]:
    """Frozen text and image features, from the cache where these very rows and extractors are in it."""
    named = "\n".join((*(row.key for row in rows), *extractors.names.values()))
    path = cache / f"features-{hashlib.sha256(named.encode()).hexdigest()[:16]}.safetensors"
    if not path.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        text = _texts(rows, report, extractors.elmo)
        save_file({"text": text, "image": _images(rows, report, extractors.inception)}, path)
    return load_file(path)


def _texts(rows: Sequence[Row], report: Report, elmo: Path | None) -> Tensor:
    texts = [row.text or "" for row in rows]
    unique = list(dict.fromkeys(texts))
    report(f"reading {len(unique):,} different texts")
    vectors = _read_by_elmo(unique, elmo) if elmo else _read(unique)
    index = {text: i for i, text in enumerate(unique)}
    return vectors[[index[text] for text in texts]]


def _read(texts: Sequence[str]) -> Tensor:
    from model.encoders.text import TextEncoder

    return TextEncoder.serve().encode(texts)


def _read_by_elmo(texts: Sequence[str], folder: Path) -> Tensor:
    """The mean of ELMo's layers: a mix that is learned would need the layers in every method's training."""
    from model.encoders.clean import clean
    from model.encoders.elmo import Elmo

    elmo = Elmo.load(folder / "options.json", elmo_weights(folder))
    words = [clean(text).split() for text in texts]
    return torch.cat([elmo.encode(words[i : i + _ELMO_BATCH]).mean(1) for i in range(0, len(words), _ELMO_BATCH)])


def _images(rows: Sequence[Row], report: Report, inception: Path | None) -> Tensor:
    report(f"looking at {sum(row.image is not None for row in rows):,} photos")
    look, width = _inception(inception) if inception else _packaged()
    vectors = torch.zeros(len(rows), width)
    for i, row in enumerate(rows):
        if row.image:
            with Image.open(row.image) as photo:
                vectors[i] = look(photo)
    return vectors


def _packaged() -> tuple[Look, int]:
    from model.encoders.image import WIDTH, ImageEncoder, prepare

    encoder = ImageEncoder.load(dtype=torch.float32)
    return lambda photo: encoder.encode([prepare(photo)])[0, :WIDTH], WIDTH


def _inception(weights: Path) -> tuple[Look, int]:
    from model.encoders.inception import SIZE, WIDTH, InceptionV3

    network = InceptionV3.load(weights)

    def look(photo: Image.Image) -> Tensor:
        pixels = torch.from_numpy(np.array(photo.convert("RGB").resize((SIZE, SIZE))))
        vectors: Tensor = network(pixels.unsqueeze(0))
        return vectors[0]

    return look, WIDTH
