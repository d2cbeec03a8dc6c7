"""How long a command waits for Kafka once it is to end.

aiokafka waits for a Kafka that is gone for as long as it is gone: in a commit, and where a client is closed. To end all
the same is as safe as a kill -9 is, and nothing here is hurt by that.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

logger = logging.getLogger(__name__)

GOES_ON = "the next start goes on after it"


def end_within(seconds: float, goes_on: str = GOES_ON, tidy: Callable[[], object] | None = None) -> None:
    """End this process with status 1 and a sentence, if it still runs in ``seconds``.

    Args:
        seconds: From now on.
        goes_on: The sentence's end: who goes on after what was committed.
        tidy: Called before, where a terminal wants that.
    """
    waiting = threading.Timer(seconds, _end, (seconds, goes_on, tidy))
    waiting.daemon = True
    waiting.start()


def end_on_signals(stop: Callable[[], object], seconds: float, **ending: Any) -> None:
    """Call ``stop`` at SIGINT and SIGTERM, and :func:`end_within` ``seconds`` from then on; for a running loop."""

    def end() -> None:
        end_within(seconds, **ending)
        stop()

    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, end)


def _end(seconds: float, goes_on: str, tidy: Callable[[], object] | None) -> None:
    if tidy is not None:
        tidy()
    logger.error("no answer from Kafka in %g s: ended without it. What was committed is kept; %s", seconds, goes_on)
    os._exit(1)
