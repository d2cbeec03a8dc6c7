"""The files of offline labelling: lines in, events and errors out, and the count of both."""

from __future__ import annotations

import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, TextIO

from model.scorer import CONCEPTS
from stream_app.offline.label import Answer, Line
from stream_app.pipeline.feed.archive import DAMAGED, items
from stream_app.pipeline.posts.reader import Reader
from stream_app.pipeline.posts.refuse import why_no_posts
from stream_app.render.printable import json_line

STANDARD = Path("-")
"""Standard input or output."""


@dataclass(slots=True)
class Tally:
    """What a run did, by post; ``labels`` counts by concept and label."""

    labelled: int = 0
    duplicates: int = 0
    skipped: int = 0
    withdrawn: int = 0
    errors: int = 0
    degraded: int = 0
    review: int = 0
    labels: dict[str, Counter[str]] = field(default_factory=lambda: {concept: Counter() for concept in CONCEPTS})

    @property
    def lines(self) -> int:
        """What was found: a line of one post is one."""
        return self.labelled + self.skipped + self.withdrawn + self.errors

    def add(self, answer: Answer) -> None:
        """Count one answer."""
        if answer.event is None:
            self.errors += answer.error is not None
            self.withdrawn += answer.withdrawal is not None
            self.skipped += answer.error is None and answer.withdrawal is None
            return
        self.labelled += 1
        self.duplicates += answer.event.duplicate_of is not None
        self.degraded += answer.event.degraded
        self.review += answer.event.review
        for concept in CONCEPTS:
            label = getattr(answer.event.labels, concept).label
            self.labels[concept][label or "none"] += 1


@contextmanager
def opened_lines(source: Path, reader: Reader) -> Iterator[tuple[Iterator[Line], Callable[[], int]]]:
    """The lines of a file, however packed (``pipeline/feed/archive.py``), or of standard input; and its bytes read.

    Raises:
        OSError: it cannot be read, is cut short, or nothing in it is a post.
    """
    if source == STANDARD:
        yield _lines(sys.stdin.buffer, source, time.time()), lambda: 0
        return
    with _readable(source):
        refused = why_no_posts(source, reader)
    if refused is not None:
        raise OSError(refused)
    with source.open("rb") as raw:
        yield _lines(raw, source, source.stat().st_mtime), raw.tell


def size_of(source: Path) -> int | None:
    """Bytes of the file, or None where they cannot be known before it has been read."""
    return source.stat().st_size if source.is_file() else None


def _lines(raw: BinaryIO, source: Path, when: float) -> Iterator[Line]:
    with _readable(source):
        for number, value, size in items(raw, source.name):
            yield Line(number, value, when, size)


@contextmanager
def _readable(source: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            raise
        raise OSError(f"{source} is damaged: {error}") from error
    except DAMAGED as error:
        raise OSError(f"{source} is damaged: {error}") from error


class Sink:
    """Writes events to one file and errors to another, which is made only when there are some."""

    def __init__(self, target: Path, errors: Path | None = None) -> None:
        self.errors = errors or (None if target == STANDARD else target.with_name(f"{target.name}.errors.jsonl"))
        self._target = target
        self._events: TextIO | None = None
        self._failed: TextIO | None = None

    def __enter__(self) -> Self:
        self._events = sys.stdout if self._target == STANDARD else self._target.open("w", encoding="utf-8")
        if self.errors is not None:
            self.errors.unlink(missing_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._events, self._failed):
            if file is not None and file not in (sys.stdout, sys.stderr):
                file.close()

    def write(self, answer: Answer) -> None:
        """Write one answer; a skipped notice and a withdrawal leave no trace."""
        assert self._events is not None
        if answer.event is not None:
            self._events.write(json_line(answer.event.model_dump_json()) + "\n")
        elif answer.error is not None:
            if self._failed is None:
                self._failed = self.errors.open("w", encoding="utf-8") if self.errors else sys.stderr
            self._failed.write(json_line(json.dumps(_failure(answer), ensure_ascii=False)) + "\n")


def _failure(answer: Answer) -> dict[str, object]:
    """The line's number, the reason and the original, as text where it is UTF-8, else as base64."""
    about: dict[str, object] = {"line": answer.line.number, "stage": answer.stage, "error": answer.error}
    original = answer.part or answer.line.value
    try:
        return {**about, "original": original.decode()}
    except UnicodeDecodeError:
        return {**about, "original_base64": base64.b64encode(original).decode()}
