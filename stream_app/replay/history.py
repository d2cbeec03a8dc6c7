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
    file: str = ""
    line: int = 0
    """Where it stands in a file, counted from 1; a record of a topic stands right before ``after``."""
    size: int = 0
    """Bytes of a line that is too long to be read: ``value`` is its beginning, and it cannot be sent."""

    @property
    def origin(self) -> tuple[str, int, int]:
        """Where it stands: topic, partition and offset, or file, 0 and line."""
        return (self.file, 0, self.line) if self.file else (self.at.topic, self.at.partition, self.after - 1)

    @property
    def told(self) -> str:
        """Where it stands, for a person."""
        where, partition, number = self.origin
        return f"{where} line {number:,}" if self.file else f"{where}[{partition}] offset {number:,}"


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
