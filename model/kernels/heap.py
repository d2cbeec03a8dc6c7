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
        _call("mallopt", _ARENAS, 1)


def give_back() -> None:
    """Give the system what is free between pieces in use: 100 MB after seconds of passes of all sizes.

    It takes 20 to 40 ms, in which no thread gets memory; what was given back is asked for anew.
    """
    _call("malloc_trim", 0)


def _call(name: str, *arguments: int) -> None:
    function = getattr(ctypes.CDLL(None), name, None)
    if function is not None:
        function(*arguments)
