"""Lines in, events out: the stream's own steps (parse, enrich, fetch, score, build) run over a file."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple

from model.scorer import Scorer
from stream_app.pipeline.events.build import DuplicateInfo, Spent, build_event
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.feed.archive import MAX_ITEM
from stream_app.pipeline.labelling.describe import Labelling, describe, unlabelled
from stream_app.pipeline.labelling.inputs import model_input
from stream_app.pipeline.labelling.memory import Known, Memory
from stream_app.pipeline.labelling.scoring import score_each
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.identity import keys, keys_to_find, keys_to_remember, lacks_its_root
from stream_app.pipeline.posts.post import MediaLink, Post, Withdrawal
from stream_app.pipeline.posts.reader import Reader

Fetch = Callable[[Sequence[MediaLink]], Awaitable[tuple[MediaOutcome, ...]]]
"""One outcome per link, in order; never raises for a bad image."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the input, counted from 1, without its line end.

    ``when`` (POSIX seconds) stands in for the time of a post that has none: the file's own. ``size`` is given where
    ``value`` is only the beginning of a line too long to be read.
    """

    number: int
    value: bytes
    when: float | None = None
    size: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one thing a line held: an event, an error, or neither for a notice that was skipped.

    ``part`` is the bad post of a line that holds several, as JSON that stands alone.
    """

    line: Line
    event: Event | None = None
    error: str | None = None
    stage: Literal["parse", "model"] = "parse"
    part: bytes | None = None
    withdrawal: Withdrawal | None = None
    """A post or an author that may not be shown any more."""


class _Read(NamedTuple):
    """A post of a line."""

    line: Line
    post: Post


class OfflineLabeller:
    """Labels posts in batches and answers in the order of their lines; reposts and exact copies are labelled once."""

    def __init__(
        self,
        scorer: Scorer,
        fetch: Fetch,
        *,
        batch_size: int = 64,
        remembered: int = 100_000,
        unsure_below: float = 0.6,
        reader: Reader | None = None,
        enrich: Enricher | None = None,
    ) -> None:
        self._scorer = scorer
        self._fetch = fetch
        self._reader = reader or Reader()
        self._enrich = enrich or Enricher()
        self._unsure_below = unsure_below
        self._batch_size = batch_size
        # What a batch finds or adds must outlast the batch.
        self._memory = Memory(max(remembered, 2 * batch_size))
        self._model = scorer.info

    async def answers(self, lines: Iterable[Line]) -> AsyncIterator[Answer]:
        """One answer for each thing a line holds, in order: one for most lines, many for a page.

        Raises:
            ModelBrokenError: the model fails on everything.
        """
        found = (each for line in lines for each in _read(line, self._reader, self._enrich))
        while batch := list(islice(found, self._batch_size)):
            for answer in await self._answer(batch):
                yield answer

    async def _answer(self, found: Sequence[_Read | Answer]) -> list[Answer]:
        """Label the posts among what was found that repeat no other; then every one has what it needs."""
        fresh: dict[str, Post] = {}
        named: set[str] = set()
        for post in (each.post for each in found if isinstance(each, _Read)):
            if lacks_its_root(post):
                continue
            known_by = keys_to_find(post, keys(post))
            if named.isdisjoint(known_by) and self._memory.find(known_by) is None:
                fresh[_name(post)] = post
                named.update(keys_to_remember(post))
        labelled = await self._label(list(fresh.values()))
        return [self._finish(each, labelled) if isinstance(each, _Read) else each for each in found]

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
            else describe(post, found, score, self._model, unsure_below=self._unsure_below, told=self._enrich.told)
            for post, found, score in zip(posts, outcomes, scored, strict=True)
        }

    def _finish(self, read: _Read, labelled: dict[str, Labelling | str]) -> Answer:
        line, found = read
        known = self._memory.find(keys_to_find(found, keys(found)))
        if known is not None:
            known.seen += 1
            first = known.labelling.event_of
            copy = DuplicateInfo(of=first if first != found.id else None, seen=known.seen)
            return Answer(line, event=build_event(self._told(found, known.labelling), known.labelling, duplicate=copy))
        if lacks_its_root(found):
            return Answer(line, event=build_event(found, unlabelled(found, self._model)))
        answer = labelled.get(_name(found), "It repeats a post that the model could not label.")
        if isinstance(answer, str):
            return Answer(line, error=answer, stage="model")
        self._memory.remember(keys_to_remember(found), Known(answer))
        return Answer(line, event=build_event(self._told(found, answer), answer, spent=self._spent))

    def _told(self, post: Post, labelling: Labelling) -> Post:
        return post if labelling.quiet else self._enrich.told(post)


def _name(post: Post) -> str:
    return f"{post.network}\0{post.id}\0{post.edited}\0{bool(post.media)}"


def _read(line: Line, reader: Reader, enrich: Enricher) -> Iterator[_Read | Answer]:
    """What a line holds: posts to label, and an answer for everything else."""
    if line.size > MAX_ITEM:
        yield Answer(line, error=f"The line has {line.size:,} bytes; the longest accepted has {MAX_ITEM:,}.")
        return
    parsed = reader.read(line.value, timestamp=line.when)
    yield from (Answer(line) for _ in parsed.notices)
    yield from (Answer(line, error=problem.reason, part=problem.part) for problem in parsed.problems)
    yield from (Answer(line, withdrawal=withdrawal) for withdrawal in parsed.withdrawals)
    yield from (_Read(line, enrich.in_language(post)) for post in parsed.posts)
