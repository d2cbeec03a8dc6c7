"""JPEGs that end too early: what came is used where next to nothing is missing.

Source: JPEG ITU-T T.81 annex B.2.3 (scan headers) and annex G (progressive); libjpeg fills what never came with grey.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

CUT_SHORT = "image cut short"
MAX_MISSING = 0.2
"""Share of rows that may be missing: the last tenth of a file holds up to so many where they show little."""

_END = b"\xff\xd9"
_SCAN = re.compile(rb"\xff\xda")
_GREY = 128
_COEFFICIENTS = 64


def ended(jpeg: bytes) -> bytes | None:
    """The file with the end it lacks, for a decoder to show what there is; None for one that has its end."""
    return None if _END in jpeg[-16:] else jpeg + _END


def rows_there(pixels: NDArray[np.uint8]) -> int:
    """Rows of an image [h, w, 3] before the grey that a decoder fills a missing end with."""
    there = np.flatnonzero((pixels != _GREY).any(axis=(1, 2)))
    return int(there[-1]) + 1 if len(there) else 0


def is_whole_but_less_sharp(jpeg: bytes) -> bool:
    """Whether a progressive JPEG was cut only after every component's coefficients had come once: it lacks refinement.

    Raises:
        IndexError: a scan's header is cut off.
    """
    covered: dict[int, set[int]] = {}
    scans = [found.start() for found in _SCAN.finditer(jpeg)]
    for number, at in enumerate(scans):
        count = jpeg[at + 4]
        first, last = jpeg[at + 5 + 2 * count], jpeg[at + 6 + 2 * count]
        for component in jpeg[at + 5 : at + 5 + 2 * count : 2]:
            seen = covered.setdefault(component, set())
            if number < len(scans) - 1:
                seen.update(range(first, last + 1))
    return all(len(seen) == _COEFFICIENTS for seen in covered.values())
