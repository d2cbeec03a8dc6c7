"""Where a scorer comes from: the one module that knows every kind of it."""

from __future__ import annotations

from pathlib import Path

from model.scorer import Scorer


def load_scorer(source: str | Path = "default", *, threads: int | None = None) -> Scorer:
    """Load a model: ``default`` (shipped weights), ``fixed`` (no network, see :mod:`model.serving.fixed`) or a folder.

    Raises:
        FileNotFoundError: no such folder of weights.
        ValueError: the weights' hash does not match their manifest.
    """
    if source == "fixed":
        from model.serving.fixed import FixedScorer

        return FixedScorer()
    from model.serving.fused import FusedScorer

    return FusedScorer.load(source, threads=threads)
