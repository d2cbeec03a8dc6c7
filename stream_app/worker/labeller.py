"""Takes records from the feed and brings each to its end: an event, a dead letter, or nothing for a control line.

While the model scores one batch the next one is read, parsed, its images fetched, and the one before is published.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from aiokafka import ConsumerRecord
from mode import Service

from model.scorer import BATCH, ModelInfo
from stream_app.pipeline.events.build import DuplicateInfo, Made, Spent, first_version, make_event
from stream_app.pipeline.events.dead_letter import Failure, Stage, dead_letter
from stream_app.pipeline.events.publish import event_records
from stream_app.pipeline.events.route import topics_of
from stream_app.pipeline.events.withdraw import Published, replaced, withdrawals
from stream_app.pipeline.feed.history import is_history
from stream_app.pipeline.feed.reader import Feed
from stream_app.pipeline.labelling.batcher import Batcher
from stream_app.pipeline.labelling.describe import describe, unlabelled
from stream_app.pipeline.labelling.inputs import model_input
from stream_app.pipeline.labelling.memory import Known, Memory
from stream_app.pipeline.labelling.models import Models
from stream_app.pipeline.labelling.scoring import Answer
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.identity import keys, keys_to_find, keys_to_remember, lacks_its_root
from stream_app.pipeline.posts.parse import Parsed, PostError
from stream_app.pipeline.posts.post import MediaLink, Post, Withdrawal
from stream_app.pipeline.posts.reader import Reader
from stream_app.settings import Settings
from stream_app.worker.metrics import Metrics, Told
from stream_app.worker.publisher import Finished, Outcome, Publisher
from stream_app.worker.recall import Recall
from stream_app.worker.room import size_of

_CHUNK = 128
"""Records parsed at a stretch: about 10 ms, after which scoring and publishing get their turn."""
_BEHIND = 4
"""Full batches before the model with which it is behind."""
_AHEAD = 8
"""Full batches before the model with which no more is read."""
_LOOK_AGAIN_S = 0.2
_DECODE_AHEAD = 2
"""Batches whose images may be here and wait to be decoded: read on, and more came than are decoded in time."""


class Fetcher(Protocol):
    """Fetches a post's images; see :class:`stream_app.pipeline.media.fetch.MediaFetcher`."""

    @property
    def decoding(self) -> int:
        """Images that are here and not yet decoded."""
        ...

    def fetch(self, links: Sequence[MediaLink], since: float) -> Awaitable[tuple[MediaOutcome, ...]]:
        """One outcome per link, within the deadline that began at ``since`` (``time.monotonic``)."""
        ...


MakeFetcher = Callable[[], AbstractAsyncContextManager[Fetcher]]


@dataclass(slots=True, eq=False)
class Pending:
    """A record whose offset is done when all it holds is: how much is still on its way, and what became of the rest."""

    finished: Finished
    left: int
    several: bool
    events: list[tuple[Outcome, Work, Made, Sequence[str]]] = field(default_factory=list)
    """The events among it and the topics they go to: what overtook their posts meanwhile is seen at the end."""


@dataclass(slots=True, eq=False)
class Work:
    """One post on its way, and the posts that turned out to be the same while it was."""

    pending: Pending
    post: Post
    keys: tuple[str, ...]
    """What its labels will answer for; see :func:`stream_app.pipeline.posts.identity.keys_to_remember`."""
    arrived: float
    fetched: float = 0.0
    outcomes: tuple[MediaOutcome, ...] = ()
    followers: list[Work] = field(default_factory=list)


class Labeller(Service):
    """The pipeline between the feed and the publisher.

    Args:
        settings: All settings.
        feed: Where records come from.
        models: What labels them.
        publisher: Where they go.
        metrics: What is counted.
        make_fetcher: Opens the image fetcher.
    """

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        models: Models,
        publisher: Publisher,
        *,
        metrics: Metrics,
        make_fetcher: MakeFetcher,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.settings, self.feed, self.models = settings, feed, models
        self.enrich = Enricher(settings.place)
        self.publisher, self.room, self.metrics = publisher, publisher.room, metrics
        self.last_read = time.monotonic()
        self.memory = Memory(settings.labelling.duplicates)
        self.published = Published(settings.labelling.duplicates)
        self._recall = Recall(settings, self.published)
        self._make_fetcher = make_fetcher
        self._reader = Reader(settings.feed, settings.posts, feed.registry.plain)
        self._fetcher: Fetcher | None = None
        self._waiting: set[asyncio.Task[None]] = set()
        labelling = settings.labelling
        self._batcher: Batcher[Work] = Batcher(
            labelling.batch_size or BATCH, labelling.deadline_ms / 1000, newest_first=labelling.newest_first
        )
        self._on_the_way: dict[str, Work] = {}
        self._topics: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._round = 0
        self._eased = asyncio.Event()

    async def on_start(self) -> None:
        """Open the image fetcher; the model is there already and says how many posts it takes at once."""
        self._batcher.size = self.settings.labelling.batch_size or self.models.batch
        self._batcher.beside = self.models.beside
        self._fetcher = await self.add_async_context(self._make_fetcher())

    def drop(self) -> None:
        """Drop all posts on their way: their partitions go to another worker, or the process ends."""
        self._round += 1
        for task in self._waiting:
            task.cancel()
        self._recall.reset()
        self._batcher.clear()
        self._on_the_way.clear()
        self._eased.set()
        self.room.clear()

    @property
    def _far_ahead(self) -> bool:
        """Whether so much is read that more would only get late.

        A photo's deadline runs from the moment that its post was read. So no post is read before there is a thread to
        decode its photo and a model to take it. How long hosts take plays no part in this: only their photos wait.
        """
        batch = self._batcher.size
        decoding = self._fetcher.decoding if self._fetcher else 0
        return len(self._batcher) >= _AHEAD * batch or decoding >= _DECODE_AHEAD * batch

    @property
    def _behind(self) -> bool:
        """Whether the model has so much before it that haste elsewhere would only cost it processor time."""
        return len(self._batcher) >= _BEHIND * self._batcher.size

    def forget(self) -> None:
        """Forget what was labelled, since the model has changed."""
        self.memory.clear()

    @Service.task  # type: ignore[untyped-decorator]
    async def _read(self) -> None:
        while not self.should_stop:
            while self._far_ahead:
                self._eased.clear()
                with suppress(TimeoutError):  # what was dropped ends without a word
                    await asyncio.wait_for(self._eased.wait(), _LOOK_AGAIN_S)
            records = await self.feed.take(min(await self.room.wait(), _CHUNK), hurry=not self._behind)
            if records:
                self.last_read = time.monotonic()
                self.room.enter(len(records), sum(map(size_of, records)))
            # One step for all, then the next: each finds in the processor's caches what it needs: a fifth less time.
            for record, parsed in zip(records, [*map(self._parsed, records)], strict=True):
                self._admit(record, parsed)
            await asyncio.sleep(0)

    # Two of these: while one batch leaves the model, the next is in it already.
    @Service.task  # type: ignore[untyped-decorator]
    async def _score_one(self) -> None:
        await self._score_batches()

    @Service.task  # type: ignore[untyped-decorator]
    async def _score_other(self) -> None:
        await self._score_batches()

    def _parsed(self, record: ConsumerRecord) -> Parsed:
        try:
            return self._reader.read(record.value, record.headers, (record.timestamp or 0) / 1000, record.key)
        except Exception as error:  # noqa: BLE001 - whatever a parser does, the post behind this one must go on
            return Parsed(problems=(PostError(f"parser failed: {error!r}"),))

    def _admit(self, record: ConsumerRecord, parsed: Parsed) -> None:
        """Start all that a record holds."""
        posts, withdrawn, notices, problems = parsed
        parts = len(posts) + len(withdrawn) + len(problems)
        pending = Pending(Finished(record, notices=len(notices)), parts, several=parts > 1)
        if parts == 0:
            self._done(pending)
        elif parts > 1:
            self.room.enter(parts - 1)
        for problem in problems:
            self._bury(pending, "parse", problem.reason, problem.part)
        for withdrawal in withdrawn:
            if self._recall.wanted(withdrawal):
                self._wait_for(self._recalled(pending, withdrawal))
            else:
                self._withdraw(pending, withdrawal, time.monotonic())
        for post in posts:
            self._start(pending, post)

    async def _recalled(self, pending: Pending, withdrawal: Withdrawal) -> None:
        """Take back a post that may have been published before this worker could remember it."""
        arrived = time.monotonic()
        await self._recall.read()
        self._withdraw(pending, withdrawal, arrived)

    def _withdraw(self, pending: Pending, withdrawal: Withdrawal, arrived: float) -> None:
        """Take back a post or an author's posts, also those still on their way, and forget their labels."""
        found = self.published.withdraw(withdrawal, arrived)
        for name in {withdrawal.id, *(sent.post for sent in found)} - {None}:
            self.memory.forget(f"root:{withdrawal.network}:{name}")
        records = withdrawals(withdrawal, found, self.models.entry, self.settings.topics)
        self._done(pending, Outcome(records, became="withdrawal"))

    def _start(self, pending: Pending, post: Post) -> None:
        """Send one post the shortest way: known, being labelled already, or to be labelled."""
        try:
            known_by = keys(post)
            work = Work(pending, self.enrich.in_language(post), keys_to_remember(post, known_by), time.monotonic())
            known_by = keys_to_find(post, known_by)
        except Exception as error:  # noqa: BLE001 - as above
            self._bury(pending, "parse", f"parser failed: {error!r}", _alone(pending, post))
            return
        if known := self.memory.find(known_by):
            self._share(work, known)
            return
        for key in known_by:
            if leader := self._on_the_way.get(key):
                leader.followers.append(work)
                return
        if lacks_its_root(post):
            nothing = Known(unlabelled(post, self.models.entry), (self.settings.topics.events,))
            self._publish(work, self._told(work, nothing), nothing, Spent(), DuplicateInfo())
            return
        for key in work.keys:
            self._on_the_way[key] = work
        if post.media:
            self._wait_for(self._fetch(work))
        else:
            work.fetched = work.arrived
            self._to_batch(work)

    def _wait_for(self, waiting: Coroutine[None, None, None]) -> None:
        """Go on with other posts meanwhile; dropped with all that is on its way."""
        task = asyncio.create_task(waiting)
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _fetch(self, work: Work) -> None:
        assert self._fetcher is not None
        links, media = work.post.media, self.settings.media
        patient = is_history(work.pending.finished.source.headers)
        since = work.arrived + (media.history_deadline_s - media.deadline_s if patient else 0.0)
        try:
            work.outcomes = await self._fetcher.fetch(links, since)
        except Exception as error:
            self.log.exception("the image fetcher failed")
            work.outcomes = tuple(
                MediaOutcome(link.url, "failed", reason=f"fetcher failed: {error!r}") for link in links
            )
        work.fetched = time.monotonic()
        self.room.hold(_pixels(work))
        self._eased.set()
        self._to_batch(work)

    def _to_batch(self, work: Work) -> None:
        # Posts with photos have lanes of their own: when a host is given up, all that waited for it come at once.
        source = work.pending.finished.source
        lane = 2 * source.partition + bool(work.post.media)
        self._batcher.add(work, lane, source.timestamp or 0)

    async def _score_batches(self) -> None:
        while not self.should_stop:
            batch = await self._batcher.take()
            self._eased.set()
            began, this_round = time.monotonic(), self._round
            inputs = [model_input(work.post, work.outcomes) for work in batch]
            try:
                model, answers = await self.models.score(inputs)
            finally:
                self._batcher.done()
            if this_round != self._round:
                continue
            took = time.monotonic() - began
            self.metrics.batch(len(batch), took)
            found = [self._described(*each, model) for each in zip(batch, answers, strict=True)]  # a step for all
            for work, known in zip(batch, found, strict=True):
                self._conclude(work, known, model, began, took)
            if agreement := await self.models.compare(inputs, answers):
                self.metrics.shadow(agreement)
                self.log.info("shadow model agrees: %s", {c: f"{same}/{n}" for c, (same, n) in agreement.items()})

    def _described(self, work: Work, answer: Answer, model: ModelInfo) -> Known | Exception:
        if isinstance(answer, Exception):
            return answer

        def told(post: Post) -> Post:
            work.post = self.enrich.told(post)
            return work.post

        unsure = self.settings.labelling.unsure_below
        labelling = describe(work.post, work.outcomes, answer, model, unsure_below=unsure, told=told)
        topics = tuple(topics_of(answer.labels, self.settings.topics, self.settings.alerts))
        return Known(labelling, self._topics.setdefault(topics, topics))

    def _conclude(self, work: Work, known: Known | Exception, model: ModelInfo, began: float, took: float) -> None:
        """Publish one scored post and those that waited for its labels."""
        if pixels := _pixels(work):
            self.room.leave(0, pixels)
        for key in work.keys:
            if self._on_the_way.get(key) is work:
                del self._on_the_way[key]
        if isinstance(known, Exception):
            reason = f"the model failed on this post: {known!r}"
            for each in (work, *work.followers):
                self._bury(each.pending, "model", reason, _alone(each.pending, each.post))
            return
        # What was labelled without an image it has may do better next time.
        lasting = not known.labelling.degraded_reasons and model is self.models.entry
        if lasting and not self.published.overtaken(work.post, work.arrived):
            self.memory.remember(work.keys, known)
        spent = Spent(
            media_ms=(work.fetched - work.arrived) * 1000,
            queue_ms=(began - work.fetched) * 1000,
            model_ms=took * 1000,
            total_ms=(time.monotonic() - work.arrived) * 1000,
        )
        self._publish(work, work.post, known, spent, DuplicateInfo())
        for follower in work.followers:
            self._share(follower, known)

    def _share(self, work: Work, known: Known) -> None:
        """Publish a post with the labels of the post it repeats; the same post come again is no copy of itself."""
        labelling = known.labelling
        itself = work.post.id == labelling.event_of
        known.seen += not itself
        duplicate = DuplicateInfo(None if itself else labelling.event_of, known.seen)
        spent = Spent(total_ms=(time.monotonic() - work.arrived) * 1000)
        self._publish(work, self._told(work, known), known, spent, duplicate)

    def _told(self, work: Work, known: Known) -> Post:
        return work.post if known.labelling.quiet else self.enrich.told(work.post)

    def _publish(self, work: Work, post: Post, known: Known, spent: Spent, duplicate: DuplicateInfo) -> None:
        """Publish the event of ``work``, whose post with all that its text tells is ``post``."""
        labelling, raised = known.labelling, known.topics
        try:
            first = first_version(post)
            before = None if first is None else self.published.last(post.network, first)
            event = make_event(post, labelling, spent, duplicate, before.events[-1] if before else None)
            records = event_records(event, raised)
            if first is not None:
                records += replaced(post, first, before, event, raised, labelling.model, self.settings.topics)
        except Exception as error:  # noqa: BLE001 - one odd post must not stop the others
            reason = f"the event could not be built: {error!r}"
            self._bury(work.pending, "publish", reason, _alone(work.pending, work.post))
            return
        outcome = Outcome(records, Told(labelling, spent, duplicate))
        work.pending.events.append((outcome, work, event, raised))
        self._done(work.pending, outcome)

    def _bury(self, pending: Pending, stage: Stage, reason: str, part: bytes | None = None) -> None:
        """A dead letter of the record, or of the ``part`` of it that failed."""
        model = self.models.entry
        failure = Failure(stage, reason, f"{model.name} {model.version}")
        letter = dead_letter(self.settings.topics.dead_letters, pending.finished.source, failure, value=part)
        self._done(pending, Outcome([letter], failure=failure, part=part))

    def _done(self, pending: Pending, outcome: Outcome | None = None) -> None:
        """One more part of a record is done with; the last one hands the record to the publisher."""
        if outcome is not None:
            pending.finished.outcomes.append(outcome)
            pending.left -= 1
        if pending.left == 0:
            events, pending.events = pending.events, []  # each work names its pending: a circle would outlive the post
            for each in events:
                self._note(*each)
            self.publisher.put(pending.finished, hurry=not self._behind)

    def _note(self, outcome: Outcome, work: Work, event: Made, topics: Sequence[str]) -> None:
        """Remember an event that goes out now; of a post that was withdrawn or edited meanwhile nothing goes out."""
        if self.published.overtaken(work.post, work.arrived, event.id):
            outcome.records, outcome.event, outcome.became = [], None, "overtaken"
        else:
            self.published.note(work.post, event, topics, work.arrived)


def _pixels(work: Work) -> int:
    """Bytes of a post's decoded images."""
    return sum(outcome.image.nbytes for outcome in work.outcomes if outcome.image is not None)


def _alone(pending: Pending, post: Post) -> bytes | None:
    """One post of several in a record, in our own format, to be a dead letter by itself; None for the only one."""
    return post.model_dump_json().encode("utf-8", "replace") if pending.several else None
