"""Lines in, events out: the stream's own steps (parse, enrich, fetch, score, build) run over a file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from model.scorer import Scorer
from stream_app.pipeline.events.build import DuplicateInfo, Spent, build_event
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.labelling.describe import Labelling, describe
from stream_app.pipeline.labelling.inputs import model_input
from stream_app.pipeline.labelling.memory import Known, Memory
from stream_app.pipeline.labelling.scoring import score_each
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.enrich import enrich
from stream_app.pipeline.posts.identity import keys, keys_to_remember
from stream_app.pipeline.posts.parse import NotAPost, PostError, parse_post
from stream_app.pipeline.posts.post import MediaLink, Post

Fetch = Callable[[Sequence[MediaLink]], Awaitable[tuple[MediaOutcome, ...]]]
"""One outcome per link, in order; never raises for a bad image."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input, counted from 1, without its line end."""

    number: int
    value: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a line: exactly one of an event, an error, or neither for a notice that was skipped."""

    line: Line
    event: Event | None = None
    error: str | None = None
    stage: Literal["parse", "model"] = "parse"


class OfflineLabeller:
    """Labels lines in batches and answers in their order; reposts and exact copies are labelled once."""

    def __init__(
        self,
        scorer: Scorer,
        fetch: Fetch,
        *,
        batch_size: int = 64,
        remembered: int = 100_000,
        unsure_below: float = 0.6,
    ) -> None:
        self._scorer = scorer
        self._fetch = fetch
        self._unsure_below = unsure_below
        self._batch_size = batch_size
        # What a batch finds or adds must outlast the batch.
        self._memory = Memory(max(remembered, 2 * batch_size))
        self._model = scorer.info

    async def answers(self, lines: Iterable[Line]) -> AsyncIterator[Answer]:
        """One answer per line, in order.

        Raises:
            ModelBrokenError: the model fails on everything.
        """
        rest = iter(lines)
        while batch := list(islice(rest, self._batch_size)):
            for answer in await self._answer(batch):
                yield answer

    async def _answer(self, lines: Sequence[Line]) -> list[Answer]:
        """Label the posts among the lines that repeat no other; then every line has what it needs."""
        read = [_read(line) for line in lines]
        fresh: dict[str, Post] = {}
        named: set[str] = set()
        for post in (found for found in read if isinstance(found, Post)):
            if named.isdisjoint(keys(post)) and self._memory.find(keys(post)) is None:
                fresh[_name(post)] = post
                named.update(keys_to_remember(post))
        labelled = await self._label(list(fresh.values()))
        return [self._finish(line, found, labelled) for line, found in zip(lines, read, strict=True)]

    async def _label(self, posts: Sequence[Post]) -> dict[str, Labelling | str]:
        """The labelling of each post, or the model's reason for having none, by name."""
        started = time.monotonic()
        outcomes = await asyncio.gather(*(self._fetch(post.media) for post in posts))
        fetched = time.monotonic()
        inputs = [model_input(post, found) for post, found in zip(posts, outcomes, strict=True)]
        scored = await asyncio.to_thread(score_each, self._scorer, inputs)
        self._spent = Spent(
            media_ms=(fetched - started) * 1e3,
            model_ms=(time.monotonic() - fetched) * 1e3,
            total_ms=(time.monotonic() - started) * 1e3,
        )
        return {
            _name(post): f"The model could not label it: {type(score).__name__}: {score}"
            if isinstance(score, Exception)
            else describe(post, found, score, self._model, unsure_below=self._unsure_below)
            for post, found, score in zip(posts, outcomes, scored, strict=True)
        }

    def _finish(self, line: Line, found: Post | PostError, labelled: dict[str, Labelling | str]) -> Answer:
        if isinstance(found, NotAPost):
            return Answer(line)
        if isinstance(found, PostError):
            return Answer(line, error=found.reason)
        known = self._memory.find(keys(found))
        if known is not None:
            known.seen += 1
            first = known.labelling.event_of
            copy = DuplicateInfo(of=first if first != found.id else None, seen=known.seen)
            return Answer(line, event=build_event(found, known.labelling, duplicate=copy))
        answer = labelled.get(_name(found), "It repeats a post that the model could not label.")
        if isinstance(answer, str):
            return Answer(line, error=answer, stage="model")
        self._memory.remember(keys_to_remember(found), Known(answer))
        return Answer(line, event=build_event(found, answer, spent=self._spent))


def _name(post: Post) -> str:
    return f"{post.network}\0{post.id}"


def _read(line: Line) -> Post | PostError:
    try:
        return enrich(parse_post(line.value))
    except PostError as error:
        return error
