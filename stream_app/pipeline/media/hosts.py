"""Manners towards hosts: so many fetches of one at a time, and none for a while from one that keeps us waiting.

A circuit breaker per host name (Nygard, "Release It!", 2007): closed while the host answers, open after ``STRIKES``
fetches in a row were given up on it, half-open when ``PAUSE_S`` is over: then one fetch tries, the others still skip.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stream_app.pipeline.media.outcome import NotUsedError

STRIKES = 3
PAUSE_S = 60.0
REMEMBERED = 4096
"""Hosts whose state is kept; the longest unseen is forgotten first."""


@dataclass(slots=True)
class _Host:
    turns: asyncio.Semaphore
    strikes: int = 0
    open_until: float = 0.0


class Hosts:
    """State of every host lately fetched from.

    ``patience_s``: a fetch given up after at least this long is a strike. Sooner, and the time went elsewhere.
    """

    def __init__(self, per_host: int, patience_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_host = per_host
        self._patience_s = patience_s
        self._clock = clock
        self._hosts: OrderedDict[str, _Host] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for a turn at host ``name`` and hold it; being cancelled inside counts against the host.

        Raises:
            NotUsedError: skipped, because the host keeps timing out.
        """
        host = self._host(name)
        self._refuse_if_open(host)
        async with host.turns:
            self._admit(host)
            began = self._clock()
            try:
                yield
            except asyncio.CancelledError:
                if self._clock() - began >= self._patience_s:
                    self._strike(host)
                raise
            except BaseException:
                host.strikes = 0  # an error is an answer
                raise
            else:
                host.strikes = 0

    def _host(self, name: str) -> _Host:
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        self._hosts.move_to_end(name)
        if len(self._hosts) > REMEMBERED:
            self._hosts.popitem(last=False)
        return host

    def _strike(self, host: _Host) -> None:
        host.strikes += 1
        if host.strikes >= STRIKES:
            host.open_until = self._clock() + PAUSE_S

    def _refuse_if_open(self, host: _Host) -> None:
        if host.strikes >= STRIKES and self._clock() < host.open_until:
            raise NotUsedError("skipped", f"the host did not answer in time {host.strikes} times in a row")

    def _admit(self, host: _Host) -> None:
        self._refuse_if_open(host)  # it may have opened while this fetch waited for its turn
        if host.strikes >= STRIKES:  # half-open: this fetch is the probe, the next must wait for its result
            host.open_until = self._clock() + PAUSE_S
