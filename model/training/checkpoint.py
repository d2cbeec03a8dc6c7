"""The state of a training run between two epochs, in one file; read back with ``weights_only``, so nothing is run."""

from __future__ import annotations

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
