"""One bad post in a batch costs only itself."""

from __future__ import annotations

import math
from collections.abc import Sequence

from model.scorer import PostInput, Scored, Scorer

Answer = Scored | Exception

_CANARY = PostInput("The river has burst its banks.")


class ModelBrokenError(RuntimeError):
    """The model fails on everything, a harmless sentence included: the fault is not with the posts."""


def score_each(scorer: Scorer, posts: Sequence[PostInput]) -> list[Answer]:
    """Score a batch; a post that the model cannot take gets the exception it caused, all others their labels.

    A failing batch is halved until the failing posts stand alone: about 2 k log2(n / k) calls for k bad posts of n.

    Raises:
        ModelBrokenError: every post failed and so did a harmless one.
    """
    answers = _bisect(scorer, posts)
    if posts and all(isinstance(answer, Exception) for answer in answers):
        canary = _bisect(scorer, [_CANARY])[0]
        if isinstance(canary, Exception):
            raise ModelBrokenError(f"{scorer.info.name} fails on every post: {canary!r}") from canary
    return answers


def _bisect(scorer: Scorer, posts: Sequence[PostInput]) -> list[Answer]:
    try:
        scored = scorer.score(posts)
        if len(scored) != len(posts):
            raise ValueError(f"{len(posts)} posts were asked and {len(scored)} answers came")  # noqa: TRY301
        if not all(map(_finite, scored)):
            raise ValueError("the model's probabilities are not finite numbers")  # noqa: TRY301
    except Exception as error:  # noqa: BLE001 - whatever a model raises is about some post of the batch
        if len(posts) == 1:
            return [error]
        half = len(posts) // 2
        return _bisect(scorer, posts[:half]) + _bisect(scorer, posts[half:])
    return list(scored)


def _finite(scored: Scored) -> bool:
    """Whether all its probabilities are numbers: one that is not would reach every reader of events as null."""
    tables = (scored.labels, *scored.alone.values())
    return math.isfinite(sum([sum(score.probabilities.values()) for labels in tables for score in labels.values()]))
