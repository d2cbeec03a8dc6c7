"""Lives at stake, as a post counts them."""

from __future__ import annotations

import math

from stream_app.pipeline.posts.reported import Facts

_WEIGHTS = {"dead": 0.9, "trapped": 0.85, "missing": 0.85, "injured": 0.75}
_MOST, _STEP = 1.0, 0.05


def lives(facts: Facts) -> float:
    """How grave the numbers of dead, trapped or missing, and injured are, 0 (none) to 1.

    Ten weigh what their kind does (dead .9, trapped or missing .85, injured .75); one .05 less, a hundred .05 more.
    """
    return max((_grave(weight, getattr(facts, kind)) for kind, weight in _WEIGHTS.items()), default=0.0)


def _grave(weight: float, count: int | None) -> float:
    return min(_MOST, weight + _STEP * (math.log10(count) - 1)) if count else 0.0
