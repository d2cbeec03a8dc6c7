"""What could not be processed, kept as it came: original key, value and headers, and beside them what went wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
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
_MAX_FIRST = 300
"""Bytes of ``topic:partition:offset``, whose topic has at most 249 characters."""

Part = Literal["value", "headers", "key"]
WITHOUT: tuple[tuple[Part, ...], ...] = ((), ("value",), ("value", "headers"), ("value", "headers", "key"))
"""What a dead letter goes without, step by step, where Kafka refuses it as too large: the last one always fits."""

_LEFT_OUT = "-left-out"
"""``dl-value-left-out``, ``dl-headers-left-out`` and ``dl-key-left-out`` hold the size and hash of what is missing."""


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
    left_out: tuple[tuple[str, str], ...] = ()
    """Parts of the original that were too large for the topic, each with its size and hash."""


def dead_letter(
    topic: str,
    source: Source,
    failure: Failure,
    without: Collection[Part] = (),
    *,
    value: bytes | None = None,
    size: int | None = None,
) -> Record:
    """The record for the dead-letter topic; ``attempts`` counts on from what a re-drive wrote.

    ``value`` is what failed of a record that holds several. Of parts ``without`` which it is to go it has sizes and
    SHA-256 instead; of a value of which only the beginning was read, its ``size``. A value left out is empty, not null:
    in a compacted topic a null deletes the letters before it.
    """
    whole: dict[Part, bytes | None] = {
        "value": source.value if value is None else value,
        "headers": _bytes_of(original_headers(source.headers)) if "headers" in without else None,
        "key": source.key,
    }
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
        **{f"{part}{_LEFT_OUT}": _told(whole[part] or b"") for part in without},
    }
    if size is not None and size > len(whole["value"] or b"") and "value" in without:
        ours[f"value{_LEFT_OUT}"] = f"{size} bytes"
    headers = [
        *([] if "headers" in without else original_headers(source.headers)),
        *((PREFIX + k, v.encode("utf-8", "replace")) for k, v in ours.items()),
    ]
    key = None if "key" in without else source.key
    return Record(topic, key, b"" if "value" in without else whole["value"], headers)


def _bytes_of(headers: Headers) -> bytes:
    """Each name and value, each after its length in 4 bytes, high one first."""
    texts = [each for name, value in headers for each in (name.encode(), value or b"")]
    return b"".join(len(each).to_bytes(4, "big") + each for each in texts)


def _told(part: bytes) -> str:
    return f"{len(part)} bytes, sha256 {hashlib.sha256(part).hexdigest()}"


def read_dead_letter(headers: Headers) -> DeadLetter:
    """What the headers of a dead letter say.

    Raises:
        ValueError: they are not a dead letter's; the message names the header.
    """
    ours = {
        name: value.decode("utf-8", "replace")
        for name, value in headers
        if value is not None and name.startswith(PREFIX)
    }

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
        left_out=tuple(
            (name[len(PREFIX) : -len(_LEFT_OUT)], said) for name, said in ours.items() if name.endswith(_LEFT_OUT)
        ),
    )


def _aware(moment: datetime) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def original_headers(headers: Headers) -> list[tuple[str, bytes]]:
    """Headers that are not ours, untouched and in order."""
    return [(name, value) for name, value in headers if not name.startswith(PREFIX)]


def first_of(headers: Headers) -> str | None:
    """Where a re-driven record stood when it first failed; None for a record that is no re-driven one."""
    found = (value for name, value in headers if name == FIRST and value and len(value) <= _MAX_FIRST)
    return next((value.decode("utf-8", "replace") for value in found), None)


def attempts_of(headers: Headers) -> int:
    """How often this record has failed before; 0 where it does not say."""
    for name, value in headers:
        if name == ATTEMPTS and value is not None and value.isdigit():
            return int(value[:6])
    return 0
