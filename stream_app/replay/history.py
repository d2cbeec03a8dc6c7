"""What can be replayed: an ordered run of items, each of which says where to go on after it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from aiokafka import TopicPartition

Positions = Mapping[TopicPartition, int]


class ReplayError(Exception):
    """A replay cannot start or go on; the message says what is wrong with which source."""


@dataclass(frozen=True, slots=True)
class Item:
    """One message to send, its bytes untouched.

    ``when`` is its time in the history (POSIX seconds; None: not known, sent right after the one before it);
    ``after`` is the position, in partition ``at``, where a resumed replay goes on once this one is sent.
    """

    value: bytes | None
    when: float | None
    at: TopicPartition
    after: int
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    told: str = ""
    """Where it stands, for a person: file and line."""


class History(Protocol):
    """A source of items. ``name`` is the same for the same history and target, and keeps its positions apart."""

    name: str
    done: int
    total: int
    """Progress in units of the source's own: bytes of files, offsets of topics."""

    @property
    def marks(self) -> tuple[TopicPartition, ...]:
        """The partitions under which positions are kept."""
        ...

    def items(self, positions: Positions) -> AsyncIterator[Item]:
        """The items after ``positions`` (none: from the start), in order.

        Raises:
            ReplayError: the source cannot be read.
        """
        ...
