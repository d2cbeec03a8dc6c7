"""Where a scorer comes from: the one module that knows every kind of it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Literal

from model.kernels.heap import give_back as give_back_memory
from model.scorer import ModelRefusedError, Scorer

__all__ = ["NumberFormat", "give_back_memory", "load_scorer"]

NumberFormat = Literal["auto", "float32", "bfloat16", "int8"]

logger = logging.getLogger(__name__)


def load_scorer(
    source: str | Path = "default",
    *,
    threads: int | None = None,
    device: str = "auto",
    number_format: NumberFormat = "auto",
) -> Scorer:
    """Load a model: ``default`` (shipped weights), ``fixed`` (no network, see :mod:`model.serving.fixed`) or a folder.

    ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:0``; ``number_format`` what it multiplies in there.

    Raises:
        DeviceError: there is no such device here, or it has no such number format.
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
        scorer = FusedScorer.load(source, threads=threads, device=device, number_format=number_format)
        vet(scorer)
    except ModelRefusedError as error:
        raise ModelRefusedError(f"model {str(source)!r} cannot be used: {error}") from error
    logger.info("%s runs on %s in %s", scorer.info.name, scorer.device, scorer.number_format)
    return scorer
