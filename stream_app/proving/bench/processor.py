"""What a figure was measured on: the processor, what it can do, and what the model multiplied in."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

_TOLD = ("avx2", "avx_vnni", "avx512_f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
"""Features of x86 that decide how fast a model is; of others all that torch names are told."""
_HELD = "ONEDNN_MAX_CPU_ISA"
"""The environment's word to oneDNN for features to do without, to see how fast a lesser processor would be."""


def machine(device: str, number_format: str) -> dict[str, object]:
    """Cores, processor and its features, the device and the number format of the model, for a line of JSON."""
    found = _features()
    told = [name for name in _TOLD if found.get(name)] or [name for name, there in found.items() if there is True]
    return {
        "processor": _name(),
        "cores": len(os.sched_getaffinity(0)),
        "features": told,
        "device": device,
        "number_format": number_format,
        **({"held_to": os.environ[_HELD]} if _HELD in os.environ else {}),
    }


def in_words(of: Mapping[str, object]) -> str:
    """The same as a line to read."""
    features = of["features"]
    has = ", ".join(features) if isinstance(features, list) else ""
    held = f", held to {of['held_to']}" if "held_to" in of else ""
    return (
        f"{of['cores']} cores of {of['processor']} ({has or 'no vector units known'}{held}); "
        f"the model on {of['device']} in {of['number_format']}"
    )


def _features() -> dict[str, object]:
    import torch

    try:
        return dict(torch.cpu.get_capabilities())
    except (AttributeError, RuntimeError):
        return {torch.backends.cpu.get_cpu_capability().lower(): True}


def _name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
