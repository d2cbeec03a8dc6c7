"""A model on disk: a folder with ``model.safetensors`` and ``manifest.json``, which holds its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict
from safetensors.torch import load, save_file
from torch import Tensor

from model.encoders.text import PACKAGED
from model.network import NetworkConfig

WEIGHTS = "model.safetensors"
MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parents[1] / "weights"


class Manifest(BaseModel):
    """What ``manifest.json`` says of the weights beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    version: str
    sha256: str
    network: NetworkConfig
    text_model: str = PACKAGED
    image_model: str = "efficientnet_lite0"
    made_by: str = ""
    """The command that trains these weights."""
    data: str = ""
    licence: str = ""
    metrics: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and its tensors, named ``text.*``, ``network.*``, ``context.*`` and ``calibration.*``."""

    manifest: Manifest
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, without its name."""
        return {
            key.removeprefix(f"{name}."): value for key, value in self.tensors.items() if key.startswith(f"{name}.")
        }


def load_bundle(source: str | Path) -> Bundle:
    """Read a model: the name of a shipped one or a folder.

    Raises:
        FileNotFoundError: no such model.
        ValueError: the weights are not those that the manifest was written for, or the manifest cannot be read.
    """
    folder = find(source)
    manifest = Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    weights = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != manifest.sha256:
        raise ValueError(
            f"{folder / WEIGHTS} has SHA-256 {digest} but its {MANIFEST} says {manifest.sha256}: "
            "the file is damaged or was replaced; restore both from one source"
        )
    return Bundle(manifest, load(weights))


def find(source: str | Path) -> Path:
    """The folder of a shipped model's name, or the folder itself.

    Raises:
        FileNotFoundError: it lacks the weights or the manifest.
    """
    named = SHIPPED / str(source)
    folder = named if "/" not in str(source) and named.is_dir() else Path(source)
    if not ((folder / MANIFEST).is_file() and (folder / WEIGHTS).is_file()):
        shipped = ", ".join(sorted(path.parent.name for path in SHIPPED.glob(f"*/{MANIFEST}")))
        raise FileNotFoundError(
            f"no model at {str(source)!r}: give a folder with {WEIGHTS} and {MANIFEST}, 'fixed', or one of: {shipped}"
        )
    return folder


def save_bundle(folder: Path, tensors: Mapping[str, Tensor], **manifest: Any) -> Manifest:
    """Write tensors and a manifest with their hash; ``manifest`` is the other fields of :class:`Manifest`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    written = Manifest(sha256=digest, **manifest)
    text = json.dumps(written.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return written
