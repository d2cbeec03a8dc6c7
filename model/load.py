"""Where a scorer comes from: the one module that knows every kind of it."""

from __future__ import annotations

from pathlib import Path

from model.scorer import ModelRefusedError, Scorer


def load_scorer(source: str | Path = "default", *, threads: int | None = None) -> Scorer:
    """Load a model: ``default`` (shipped weights), ``fixed`` (no network, see :mod:`model.serving.fixed`) or a folder.

    Raises:
        FileNotFoundError: no such folder of weights.
        ModelRefusedError: it must not be used: a hash does not match, its labels are others, it answers nonsense.
        ValueError: its files are no model's.
    """
    if source == "fixed":
        from model.serving.fixed import FixedScorer

        return FixedScorer()
    from model.serving.fused import FusedScorer
    from model.serving.vet import vet

    try:
        scorer = FusedScorer.load(source, threads=threads)
        vet(scorer)
    except ModelRefusedError as error:
        raise ModelRefusedError(f"model {str(source)!r} cannot be used: {error}") from error
    return scorer
