"""What a model says of itself: its name, version, data and licence, and the command that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from model.serving.bundle import MANIFEST, SHIPPED, Manifest
from model.serving.fixed import FixedScorer

SHARED = "CrisisMMD v2.0, AIDR, DMD, CrisisLexT26, CrisisNLP, HumAID, Ecuador 2016, SoSItalyT4, Kawarith, Appen, MVSA"
LICENCE = "Weights learned from CrisisMMD v2.0 and other research data: research use only (their terms)."


@dataclass(frozen=True, slots=True)
class About:
    """What the manifest says beside the weights; without a ``version`` it is the beginning of their SHA-256."""

    name: str
    version: str | None
    data: str
    licence: str
    made_by: str

    def fields(self) -> dict[str, Any]:
        """As fields of a manifest, the version left out where the weights are to decide it."""
        told = {"name": self.name, "data": self.data, "licence": self.licence, "made_by": self.made_by}
        return {**told, "version": self.version} if self.version else told


def check_version(version: str | None, *, start: Manifest | None = None) -> None:
    """Refuse a version that other weights have: an event's id is made of it, so the events of both would collide.

    Raises:
        ValueError: a shipped model, or the one that training starts from, has it.
    """
    shipped = (Manifest.model_validate_json(path.read_bytes()) for path in sorted(SHIPPED.glob(f"*/{MANIFEST}")))
    taken = {each.version: f"{each.name} {each.version}" for each in (*shipped, *([start] if start else ()))}
    taken[FixedScorer.info.version] = f"the model {FixedScorer.info.name!r}"
    if version in taken:
        raise ValueError(
            f"version {version} is that of {taken[version]}, and an event's id is made of its post and the model's "
            "version: events of the new weights would be taken for repetitions of the old ones; give another --version"
        )


def data_of(shared: bool, files: Sequence[Path], start: Manifest | None) -> str:
    """What weights were learned from; a file by its name and the beginning of its SHA-256."""
    parts = [SHARED] if shared else []
    parts += [f"rows of {file.name} (SHA-256 {sha256(file.read_bytes()).hexdigest()[:12]})" for file in files]
    parts += ["this project's own sentences"]
    return "; ".join(parts) + (f"; begun with {start.name} {start.version} ({start.data})" if start else "")


def licence_of(shared: bool, start: Manifest | None) -> str:
    """The licence of weights when nobody says another: that of the data, or of the model they began with."""
    return LICENCE if shared else start.licence if start else "None was stated: ask whoever trained them."
