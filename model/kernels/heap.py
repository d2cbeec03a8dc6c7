"""What the C library does with memory that is given back to it."""

from __future__ import annotations

import ctypes
import os

_ARENAS = -8
"""``M_ARENA_MAX`` of glibc's malloc.h."""


def share_heap() -> None:
    """All threads take memory from one heap from now on, unless the environment sets ``MALLOC_ARENA_MAX``.

    glibc gives each thread its own, and each keeps what the largest pass of that thread took: 150 MB in a worker with
    two scoring threads. A pass asks for some hundred pieces of megabytes, so nobody waits for the lock. Elsewhere than
    on glibc nothing happens.
    """
    if "MALLOC_ARENA_MAX" not in os.environ:
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_ARENAS, 1)
