"""What could not be processed, kept as it came: original key, value and headers, and beside them what went wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, get_args

from stream_app import __version__
from stream_app.pipeline.events.publish import Headers, Record

Stage = Literal["parse", "media", "model", "publish"]
STAGES: tuple[Stage, ...] = get_args(Stage)

PREFIX = "dl-"
"""Every header of ours starts so; all others are the original's."""

ATTEMPTS = "dl-attempts"
"""A re-driven original carries this header: how often it has failed so far."""

FIRST = "dl-first"
"""And this one: where it stood when it failed for the first time, as ``topic:partition:offset``."""

MAX_ERROR = 1000


class Source(Protocol):
    """The record that failed, as a Kafka consumer gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a record failed: the step, one plain sentence, and the model that was asked (None before the model)."""

    stage: Stage
    error: str
    model: str | None = None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A dead letter read back: what went wrong, where it came from, and the original's own headers."""

    stage: str
    error: str
    attempts: int
    program: str
    model: str | None
    source: tuple[str, int, int]
    first: str
    """Where it stood when it failed for the first time: the same for all failures of one original."""
    time: datetime
    original_headers: tuple[tuple[str, bytes], ...]


def dead_letter(topic: str, source: Source, failure: Failure) -> Record:
    """The record for the dead-letter topic; ``attempts`` counts on from what a re-drive wrote."""
    ours = {
        "stage": failure.stage,
        "error": failure.error[:MAX_ERROR],
        "attempts": str(attempts_of(source.headers) + 1),
        "program": __version__,
        "model": failure.model or "",
        "topic": source.topic,
        "partition": str(source.partition),
        "offset": str(source.offset),
        "first": first_of(source.headers) or f"{source.topic}:{source.partition}:{source.offset}",
        "time": datetime.now(UTC).isoformat(),
    }
    headers = [
        *original_headers(source.headers),
        *((PREFIX + k, v.encode("utf-8", "replace")) for k, v in ours.items()),
    ]
    return Record(topic, source.key, source.value, headers)


def read_dead_letter(headers: Headers) -> DeadLetter:
    """What the headers of a dead letter say.

    Raises:
        ValueError: they are not a dead letter's; the message names the header.
    """
    ours = {name: value.decode("utf-8", "replace") for name, value in headers if value and name.startswith(PREFIX)}

    def get(name: str) -> str:
        if PREFIX + name not in ours:
            raise ValueError(f"header {PREFIX}{name} is missing: this is not a dead letter of crisis-stream")
        return ours[PREFIX + name]

    return DeadLetter(
        stage=get("stage"),
        error=get("error"),
        attempts=int(get("attempts")),
        program=get("program"),
        model=ours.get(f"{PREFIX}model") or None,
        source=(get("topic"), int(get("partition")), int(get("offset"))),
        first=ours.get(FIRST) or f"{get('topic')}:{get('partition')}:{get('offset')}",
        time=_aware(datetime.fromisoformat(get("time"))),
        original_headers=tuple(original_headers(headers)),
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def original_headers(headers: Headers) -> list[tuple[str, bytes]]:
    """Headers that are not ours, untouched and in order."""
    return [(name, value) for name, value in headers if not name.startswith(PREFIX)]


def first_of(headers: Headers) -> str | None:
    """Where a re-driven record stood when it first failed; None for a record that is no re-driven one."""
    return next((value.decode("utf-8", "replace") for name, value in headers if name == FIRST and value), None)


def attempts_of(headers: Headers) -> int:
    """How often this record has failed before; 0 where it does not say."""
    for name, value in headers:
        if name == ATTEMPTS and value is not None and value.isdigit():
            return int(value[:6])
    return 0
