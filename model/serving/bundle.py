"""A model on disk: a folder with ``model.safetensors`` and ``manifest.json``, which holds its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import load, save_file
from torch import Tensor

from model.encoders.text import PACKAGED
from model.network import FORMER, NetworkConfig
from model.scorer import ModelRefusedError

WEIGHTS = "model.safetensors"
MANIFEST = "manifest.json"
SHIPPED = Path(__file__).parents[1] / "weights"
PARTS = ("text", "image", "context", "network", "calibration", "ranges.text")
"""What tensors are of, as their names begin. What one of another part would do to answers is not known here."""

NEWER = "use the version of crisis-stream that made it, or train it again with this one"
"""What to do about tensors that this version does not know."""


class Manifest(BaseModel):
    """What ``manifest.json`` says of the weights beside it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str
    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    network: NetworkConfig
    text_model: str = PACKAGED
    """The base text encoder: a packaged one's name or a folder."""
    text_files: Mapping[str, str] = {}
    """SHA-256 of the files in that folder, by name; a packaged encoder's are known to the program."""
    image_model: str = "efficientnet_lite0"
    languages: tuple[str, ...] = ()
    """What it learned texts in: a post in another language is for review. Empty where that was not written down."""
    made_by: str = ""
    """The command that trains these weights."""
    data: str = ""
    licence: str = ""
    metrics: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A manifest and its tensors, each of one of :data:`PARTS`.

    ``image`` is a photo encoder's own end, where the model has one, ``ranges.text`` the bounds of 8-bit text layers.
    """

    manifest: Manifest
    tensors: Mapping[str, Tensor]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors of one part, without its name."""
        return part_of(self.tensors, name)


def part_of(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``part`` and a dot, without these."""
    return {key.removeprefix(f"{part}."): value for key, value in tensors.items() if key.startswith(f"{part}.")}


def as_one(parts: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all parts, each by its part's name, a dot and its own: what :func:`part_of` takes apart."""
    return {f"{part}.{name}": value for part, state in parts.items() for name, value in state.items()}


def load_bundle(source: str | Path) -> Bundle:
    """Read a model: the name of a shipped one or a folder.

    Raises:
        FileNotFoundError: no such model.
        ModelRefusedError: the weights are not those that the manifest was written for, it cannot be read, or it has
            tensors of parts that this version does not know: without them its answers would be others than it says.
    """
    folder = find(source)
    manifest = _manifest(folder / MANIFEST)
    weights = (folder / WEIGHTS).read_bytes()
    digest = hashlib.sha256(weights).hexdigest()
    if digest != manifest.sha256:
        raise ModelRefusedError(
            f"{folder / WEIGHTS} has SHA-256 {digest} but its {MANIFEST} says {manifest.sha256}: "
            "the file is damaged or was replaced; restore both from one source"
        )
    tensors = load(weights)
    known = tuple(f"{part}." for part in PARTS)
    if strange := sum(not name.startswith(known) for name in tensors):
        raise ModelRefusedError(
            f"{strange} of the {len(tensors)} tensors in {folder / WEIGHTS} are of no part that this version knows "
            f"({', '.join(PARTS)}), so a newer one made it: {NEWER}"
        )
    return Bundle(manifest, tensors)


def _manifest(file: Path) -> Manifest:
    """Read it; what is wrong with it is said without a word of the file, which may be any file of this machine."""
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        if any(problem["loc"] == ("network", FORMER) for problem in error.errors()):
            raise ModelRefusedError(
                f"{file} is of a model whose damage network reads more of a photo's vector than this version makes: "
                "train it again with this version"
            ) from None
        named = {str(problem["loc"][0]) for problem in error.errors() if problem["loc"]}
        known = ", ".join(sorted(named & Manifest.model_fields.keys()))
        what = (
            f"its {known} cannot be used" if known else "it has fields that are unknown" if named else "it is no JSON"
        )
        raise ModelRefusedError(f"{file} is no manifest that this version reads: {what}") from None


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
    """Write tensors and a manifest with their hash; ``manifest`` is the other fields of :class:`Manifest`.

    Without a ``version`` the first 12 digits of the hash are one: other weights never have the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.detach().contiguous() for name, value in tensors.items()}, folder / WEIGHTS)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    written = Manifest(sha256=digest, **{"version": digest[:12], **manifest})
    text = json.dumps(written.model_dump(mode="json"), indent=2, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
    return written
