"""Which files a base encoder is made of, by their SHA-256: a model's weights mean nothing on top of others."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from model.scorer import ModelRefusedError

PACKAGED_FILES: Mapping[str, Mapping[str, str]] = {
    "e5": {"e5-small-q4.bin": "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f"},
    "minilm": {
        "config.json": "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    },
}
"""Of the encoders that come as Python packages: the files that are read in service."""

_READ = frozenset({".json", ".safetensors", ".txt", ".model"})


def fingerprint(folder: Path) -> dict[str, str]:
    """SHA-256 by name of the files in ``folder`` that an encoder may be read from; empty where there is no such."""
    if not folder.is_dir():
        return {}
    files = (file for file in sorted(folder.iterdir()) if file.suffix in _READ and file.is_file())
    return {file.name: _sha256(file) for file in files}


def check_files(folder: Path, wanted: Mapping[str, str], *, all_of_it: bool = True) -> None:
    """Make sure that the base encoder in ``folder`` is the one with these files.

    Args:
        folder: Where it lies.
        wanted: SHA-256 by file name.
        all_of_it: Whether another file that could be read is refused as well.

    Raises:
        ModelRefusedError: a file is missing, another one, or one too many; the message names it.
    """
    there = fingerprint(folder) if all_of_it else {name: _sha256(folder / name) for name in wanted}
    wrong = sorted(name for name in there.keys() | wanted.keys() if there.get(name) != wanted.get(name))
    if wrong:
        raise ModelRefusedError(
            f"{folder / wrong[0]} is not the file of the base encoder that this model was made with: "
            "restore it, or train the model again on this one"
        )


def _sha256(file: Path) -> str:
    if not file.is_file():
        return "missing"
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
