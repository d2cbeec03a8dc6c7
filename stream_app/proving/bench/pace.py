"""When results were written, and what the program that wrote them had spent by then, become a rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


class ContenderError(Exception):
    """A contender ended, fell silent or cannot be timed; the message has the end of what it wrote."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Posts a second of the clock, and posts a second of processor time over all cores.

    The second hardly changes when other programs share the machine; the first is what a user sees.
    """

    clock: float
    cpu: float


def pace(began: float, written: Sequence[float], spent: Sequence[tuple[float, float]]) -> Pace:
    """Results a second from ``began`` until the last was written.

    Args:
        began: When the program was given the posts, in seconds.
        written: When each result was written; those before ``began`` are not counted.
        spent: Moments of the same clock, rising, each with the program's processor seconds by then.

    Raises:
        ContenderError: nothing was written after ``began``, so there is nothing to time.
    """
    later = [moment for moment in written if moment > began]
    if not later:
        raise ContenderError(f"none of its {len(written)} results came after it was given the posts")
    when, cost = zip(*spent, strict=True)
    cpu = np.interp([began, max(later)], when, cost)
    return Pace(len(later) / (max(later) - began), len(later) / max(float(cpu[1] - cpu[0]), 0.01))
