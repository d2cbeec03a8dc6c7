"""What a run that was stopped goes on from: the state between two epochs, and whose results a folder holds.

Files are read back with ``weights_only``, so nothing is run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch

Progress = tuple[dict[str, Any], float, int, int]
"""The best weights, their loss, the next epoch, epochs waited since the best."""


def write_checkpoint(path: Path, parts: Mapping[str, Any], generator: torch.Generator, progress: Progress) -> None:
    """Save the parts' states, both random states and the progress; an interruption leaves the file before or after."""
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {
        "parts": {name: part.state_dict() for name, part in parts.items()},
        "random": (torch.get_rng_state(), generator.get_state()),
        "progress": progress,
    }
    fresh = path.with_suffix(".new")
    torch.save(state, fresh)
    fresh.replace(path)


def read_checkpoint(path: Path, parts: Mapping[str, Any], generator: torch.Generator) -> Progress:
    """Put the states back where they were and return the progress."""
    state = torch.load(path, weights_only=True)
    for name, part in parts.items():
        part.load_state_dict(state["parts"][name])
    torch.set_rng_state(state["random"][0])
    generator.set_state(state["random"][1])
    return cast("Progress", tuple(state["progress"]))


def claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Mark a folder with its experiment's settings, so that results of two never mix.

    Raises:
        ValueError: it holds those of another.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "settings.json"
    wanted = json.loads(json.dumps(settings))
    if path.is_file() and (found := json.loads(path.read_text())) != wanted:
        raise ValueError(f"{folder} holds results of another experiment ({found}); give another folder or delete it")
    path.write_text(json.dumps(wanted, indent=1))
