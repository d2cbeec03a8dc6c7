"""Hands each message to every open browser, as Server-Sent Events, without ever waiting for a slow one.

Format: WHATWG HTML, section 9.2 "Server-sent events".
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

from stream_app.dashboard.state import DashboardState

_TICK_S = 0.25
_TICKS_PER_STATS = 4
HEARTBEAT = b": still here\n\n"


def frame(kind: str, data: Any, event_id: str) -> bytes:
    """One Server-Sent Event; ``data`` is sent as one line of JSON."""
    return f"id: {event_id}\nevent: {kind}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


class Subscription:
    """One browser's backlog of at most ``backlog`` frames; a browser that overruns it is let go and reconnects."""

    def __init__(self, backlog: int) -> None:
        self._frames: asyncio.Queue[bytes | None] = asyncio.Queue(backlog)
        self._ended = False

    def put(self, message: bytes) -> None:
        """Queue a frame; when the backlog is full, end the subscription instead."""
        if self._ended:
            return
        if self._frames.full():
            self.end()
        else:
            self._frames.put_nowait(message)

    def end(self) -> None:
        """Forget the backlog and let the browser go."""
        self._ended = True
        while not self._frames.empty():
            self._frames.get_nowait()
        self._frames.put_nowait(None)

    async def frames(self, heartbeat_s: float) -> AsyncIterator[bytes]:
        """The frames as they come, a heartbeat comment when there are none for ``heartbeat_s``, until let go."""
        while True:
            try:
                message = await asyncio.wait_for(self._frames.get(), heartbeat_s)
            except TimeoutError:
                yield HEARTBEAT
                continue
            if message is None:
                return
            yield message


class Hub:
    """Fans messages out and keeps the last ``journal`` of them, so that a brief disconnection misses none."""

    def __init__(self, snapshot: Callable[[], Any], *, backlog: int = 256, journal: int = 128) -> None:
        assert journal < backlog, "a browser that catches up must not overrun its backlog at once"
        self._snapshot = snapshot
        self._backlog = backlog
        self._run = secrets.token_hex(4)
        self._number = 0
        self._journal: deque[tuple[int, bytes]] = deque(maxlen=journal)
        self._open: dict[Subscription, str] = {}

    def __len__(self) -> int:
        """Browsers connected."""
        return len(self._open)

    def open_from(self, client: str) -> int:
        """Browsers connected from one address."""
        return sum(each == client for each in self._open.values())

    def _id(self) -> str:
        return f"{self._run}-{self._number}"

    def publish(self, kind: str, data: Any) -> None:
        """Send one message to every browser; encoded once."""
        self._number += 1
        message = frame(kind, data, self._id())
        self._journal.append((self._number, message))
        for subscription in self._open:
            subscription.put(message)

    def missed(self, last_id: str | None) -> list[bytes]:
        """What a browser that last saw ``last_id`` needs: the frames since, or a snapshot when those are not kept."""
        run, _, number = (last_id or "").partition("-")
        if run == self._run and number.isdecimal():
            later = [message for position, message in self._journal if position > int(number)]
            if len(later) == self._number - int(number):
                return later
        return [frame("snapshot", self._snapshot(), self._id())]

    def close(self) -> None:
        """Let every browser go."""
        for subscription in self._open:
            subscription.end()

    @contextmanager
    def subscribe(self, client: str = "") -> Iterator[Subscription]:
        """Join the audience until exit; ask :meth:`missed` before the first await so that nothing falls between."""
        subscription = Subscription(self._backlog)
        self._open[subscription] = client
        try:
            yield subscription
        finally:
            self._open.pop(subscription, None)


async def broadcast(state: DashboardState, hub: Hub) -> None:
    """Tell browsers what changed four times a second, and the counts once a second, for ever."""
    tick = 0
    while True:
        changes = state.take_changes()
        if changes:
            hub.publish("changes", {"cards": changes.cards, "gone": changes.gone, "incidents": changes.incidents})
        if tick % _TICKS_PER_STATS == 0:
            hub.publish("stats", state.stats())
        tick += 1
        await asyncio.sleep(_TICK_S)
