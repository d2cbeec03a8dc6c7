"""Sample messages, one per format, written by hand after each network's documentation; the content is invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SAMPLES = {path.stem: path.read_bytes() for path in sorted((Path(__file__).parent / "samples").glob("*.json"))}


@pytest.fixture
def samples() -> dict[str, bytes]:
    return SAMPLES


@pytest.fixture
def sample() -> Callable[[str], Any]:
    """A fresh, editable copy of one sample."""
    return lambda name: json.loads(SAMPLES[name])
