"""Bounds of 8-bit text layers: part of a model, so that nobody shows them sentences again at each start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from model.data.sentences import load_sentences
from model.encoders.text import TextEncoder
from model.serving.bundle import Manifest, load_bundle, save_bundle

RANGES = "ranges.text"
"""Their part of a bundle."""
_SHOWN = 1024
"""Of our own sentences, in all languages, an int8 text encoder is shown so many: 12 s of a core. What is rare in 192 of
them is cut in service, which was a fifth of what 8 bits changed."""


def text_ranges(text_model: str, tuned: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Bounds of a text encoder with the ``tuned`` layers, under the names of a bundle."""
    encoder = TextEncoder.serve(text_model, tuned, number_format="int8")
    return {f"{RANGES}.{name}": each for name, each in encoder.ranges(sample()).items()}


def add_ranges(folder: Path) -> Manifest:
    """Write the bounds of a model's text layers into its bundle; its name and version stay, its hash is another.

    Raises:
        FileNotFoundError: no model is there.
        ModelRefusedError: it cannot be read.
    """
    bundle = load_bundle(folder)
    others = {name: each for name, each in bundle.tensors.items() if not name.startswith(f"{RANGES}.")}
    tensors = others | text_ranges(bundle.manifest.text_model, bundle.part("text"))
    return save_bundle(folder, tensors, **bundle.manifest.model_dump(exclude={"sha256"}))


def sample() -> list[str]:
    """Some of our own sentences of training, from all over."""
    known = [each.text for each in load_sentences() if each.split == "train"]
    return known[:: max(1, len(known) // _SHOWN)]
