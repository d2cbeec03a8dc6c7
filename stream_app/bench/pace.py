"""When results were written, and what the program that wrote them had spent by then, become a rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WARM_UP = 0.25
"""Share of the results that come out before the clock starts."""


class ContenderError(Exception):
    """A contender ended, fell silent or cannot be timed; the message has the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Posts a second of the clock, and posts a second of processor time over all cores.

    The second hardly changes when other programs share the machine; the first is what a user sees.
    """

    clock: float
    cpu: float


def pace(written: Sequence[float], spent: Sequence[tuple[float, float]]) -> Pace:
    """Results a second since the warm-up.

    Args:
        written: When each result was written, in seconds.
        spent: Moments of the same clock, rising, each with the program's processor seconds by then.

    Raises:
        ContenderError: all were written at once, so there is nothing to time.
    """
    moments = sorted(written)
    first, last = moments[round(len(moments) * WARM_UP)], moments[-1]
    later = sum(moment > first for moment in moments)
    if not later:
        raise ContenderError(f"its {len(moments)} results came all at once: too few to time")
    when, cost = zip(*spent, strict=True)
    cpu = np.interp([first, last], when, cost)
    return Pace(later / (last - first), later / max(float(cpu[1] - cpu[0]), 0.01))
