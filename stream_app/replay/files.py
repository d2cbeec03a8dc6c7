"""History from JSON Lines files, plain or gzip: one post a line, passed through as the bytes it is."""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from aiokafka import TopicPartition

from stream_app.pipeline.posts.parse import PostError, parse_post
from stream_app.replay.history import Item, Positions, ReplayError


class FileHistory:
    """The lines of ``paths``, file after file, to be sent to ``topic``.

    Positions are line numbers counted through all files. Blank lines are left out. With ``timed``, each line is parsed
    for its post's ``created_at``; a line that is no post has no time of its own and is sent all the same.

    Raises:
        ReplayError: a file is missing or unreadable.
    """

    def __init__(self, paths: Sequence[Path], topic: str, *, timed: bool = False) -> None:
        self._paths = paths
        self._timed = timed
        self._mark = TopicPartition(topic, 0)
        self.done = 0
        digest = hashlib.sha256(topic.encode())
        try:
            self.total = sum(path.stat().st_size for path in paths)
            for path in paths:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ReplayError(f"{error.filename}: {error.strerror}") from error
        self.name = f"crisis-stream.replay.{digest.hexdigest()[:16]}"

    @property
    def marks(self) -> tuple[TopicPartition, ...]:
        """One partition stands for the whole history: the target's first."""
        return (self._mark,)

    async def items(self, positions: Positions) -> AsyncIterator[Item]:
        """The lines after the position; see :class:`~stream_app.replay.history.History`."""
        start = positions.get(self._mark, 0)
        for number, line in enumerate(self._lines(), start=1):
            if number > start and not line.isspace():
                yield Item(line.rstrip(b"\r\n"), _created_at(line) if self._timed else None, self._mark, number)

    def _lines(self) -> Iterator[bytes]:
        finished = 0
        for path in self._paths:
            number = 0
            try:
                with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as lines:
                    for number, line in enumerate(lines, start=1):  # noqa: B007 - the error below names it
                        self.done = finished + raw.tell()
                        yield line
            except (OSError, EOFError, zlib.error) as error:
                raise ReplayError(
                    f"{path}: cannot be read after line {number}: {error}. What came before it was sent"
                ) from error
            finished += path.stat().st_size
        self.done = self.total


def _created_at(line: bytes) -> float | None:
    try:
        return parse_post(line).created_at.timestamp()
    except PostError:
        return None
