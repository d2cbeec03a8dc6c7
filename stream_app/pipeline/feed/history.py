"""What tells history from the present: a post that is replayed faster than it happened is in no hurry."""

from __future__ import annotations

from collections.abc import Iterable

HEADER = ("crisis_history", b"1")
"""Kafka header of a record that was sent faster than its own pace."""


def is_history(headers: Iterable[tuple[str, bytes]]) -> bool:
    """Whether a record with these headers is history, whose photos are worth waiting for."""
    return HEADER in headers
