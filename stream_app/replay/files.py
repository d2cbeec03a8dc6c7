"""History from files of posts, plain or packed: one item a message, passed through as the bytes it is."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

from aiokafka import TopicPartition

from stream_app.pipeline.feed.archive import DAMAGED, items
from stream_app.pipeline.feed.archive import Item as Read
from stream_app.pipeline.posts.reader import Reader
from stream_app.pipeline.posts.refuse import why_no_posts
from stream_app.replay.history import Item, Positions, ReplayError


class FileHistory:
    """The lines of ``paths`` (or elements of lists, or rows of tables), file after file, to be sent to ``topic``.

    Positions are counted through all files. Blank lines are left out. With ``timed``, each has the time at which its
    network saw it; what is no post has no time of its own and is sent all the same. The history is known by where its
    files lie, by the first line of the last one, and by the others whole: so the last file may have grown since, and is
    gone on with.

    Raises:
        ReplayError: a file is missing or unreadable, or nothing in it is a post.
    """

    def __init__(self, paths: Sequence[Path], topic: str, *, timed: bool = False, reader: Reader | None = None) -> None:
        self._paths = paths
        self._timed, self._reader = timed, reader or Reader()
        self._mark = TopicPartition(topic, 0)
        self.done = 0
        digest = hashlib.sha256(topic.encode())
        try:
            self.total = sum(path.stat().st_size for path in paths)
            for path in paths[:-1]:
                with path.open("rb") as file:
                    digest.update(hashlib.file_digest(file, "sha256").digest())
            for path in paths:
                digest.update(f"\0{path.resolve()}".encode("utf-8", "surrogateescape"))
                if (refused := why_no_posts(path, self._reader)) is not None:
                    raise ReplayError(refused)
            for path in paths[-1:]:
                digest.update(_first(path))
        except OSError as error:
            if error.filename is None:
                raise ReplayError(f"{path}: {error}") from error
            raise ReplayError(f"{error.filename}: {error.strerror}") from error
        except DAMAGED as error:
            raise ReplayError(f"{path} is damaged: {error}") from error
        self.name = f"crisis-stream.replay.{digest.hexdigest()[:16]}"

    @property
    def marks(self) -> tuple[TopicPartition, ...]:
        """One partition stands for the whole history: the target's first."""
        return (self._mark,)

    async def items(self, positions: Positions) -> AsyncIterator[Item]:
        """The lines after the position; see :class:`~stream_app.replay.history.History`."""
        start = positions.get(self._mark, 0)
        for number, (path, line) in enumerate(self._lines(), start=1):
            if number <= start or not line.value or line.value.isspace():
                continue
            size = line.size if line.too_long else 0
            when = self._reader.seen_at(line.value) if self._timed and not size else None
            yield Item(line.value, when, self._mark, number, file=str(path), line=line.number, size=size)

    def _lines(self) -> Iterator[tuple[Path, Read]]:
        finished = 0
        for path in self._paths:
            number = 0
            try:
                with path.open("rb") as raw:
                    for line in items(raw, path.name):
                        number, self.done = line.number, finished + raw.tell()
                        yield path, line
            except DAMAGED as error:
                raise ReplayError(
                    f"{path}: cannot be read after line {number}: {error}. What came before it was sent"
                ) from error
            finished += path.stat().st_size
        self.done = self.total


def _first(path: Path) -> bytes:
    with path.open("rb") as raw:
        return next((line.value for line in items(raw, path.name)), b"")
