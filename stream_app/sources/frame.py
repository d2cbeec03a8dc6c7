"""What a network's stream hands over, and what can go wrong with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, NamedTuple, Protocol

from stream_app.sources.place import Place

Failure = Literal["network", "http", "rate"]


class SourceError(Exception):
    """A source cannot start or go on by trying again; the message says what is wrong and what to do."""


class DisconnectedError(Exception):
    """A connection failed or ended; trying again may help. ``wait_s`` is what the server asks for."""

    def __init__(self, reason: str, kind: Failure = "network", wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.kind: Failure = kind
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Gap:
    """Posts between two times that may be missing, and why."""

    since: datetime | None
    until: datetime
    why: str


class Frame(NamedTuple):
    """One message of a stream, its bytes untouched; ``value`` None is a sign of life that only moves the place on."""

    value: bytes | None = None
    key: bytes | None = None
    id: str | None = None
    """What this message is known by when it comes again."""
    position: int | None = None
    """The network's own count, as of this message; None leaves it where it was."""
    number: int | None = None
    """This message's own place in that count, where it is not ``position``."""
    again: bool = False
    """True where the network sends what lies in the past, and so may send what it sent before."""
    judged: bool = True
    """Whether filters have a say: a deletion always passes."""
    gap: Gap | None = None


class Network(Protocol):
    """A network's stream. One is made per process."""

    name: str
    position: int
    """Where a source that has no place yet begins, in the network's own count; 0 where that cannot be said."""

    def frames(self, place: Place) -> AsyncGenerator[Frame]:
        """Connect once, go on after ``place``, and yield until the connection ends.

        Raises:
            DisconnectedError: it failed or ended.
            SourceError: trying again cannot help.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
