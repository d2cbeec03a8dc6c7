"""Two models over the same lines: both label every post as the stream would, and what differs is counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from model.scorer import CONCEPTS, LABELS, Concept, ModelInfo, Scorer
from stream_app.offline.label import Answer, Fetch, Line, OfflineLabeller
from stream_app.pipeline.events.event import Event, Label
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.post import MediaLink
from stream_app.pipeline.posts.reader import Reader

_AT_ONCE = 64
NO_ANSWER = "no answer"
"""Stands for the label of a concept that does not apply, as damage without a photo."""


@dataclass(frozen=True, slots=True)
class Change:
    """What two models said of one post; ``distance`` is the total variation between their probabilities, 0 to 1."""

    distance: float
    post_id: str
    text: str
    before: Label
    after: Label


@dataclass(slots=True)
class ConceptDiff:
    """Two models on one concept: posts by pair of labels, the sum of distances and the ``listed`` largest changes."""

    listed: int
    confusion: Counter[tuple[str, str]] = field(default_factory=Counter)
    distances: float = 0.0
    changes: list[Change] = field(default_factory=list)

    @property
    def posts(self) -> int:
        """Posts that at least one model answered for."""
        return self.confusion.total()

    @property
    def agreement(self) -> float:
        """Share of those posts with the same label from both; NaN where there are none."""
        same = sum(count for (before, after), count in self.confusion.items() if before == after)
        return same / self.posts if self.posts else float("nan")

    def add(self, change: Change) -> None:
        """Count one post; one that neither model answered for is left out."""
        if change.before.label is None and change.after.label is None:
            return
        self.confusion[change.before.label or NO_ANSWER, change.after.label or NO_ANSWER] += 1
        self.distances += change.distance
        if change.distance > 0:
            self.changes = nlargest(self.listed, [*self.changes, change], key=lambda each: each.distance)


@dataclass(slots=True)
class ModelDiff:
    """Two models on a file. Reposts and copies are labelled once and counted once; ``failed`` lines gave no pair."""

    listed: int
    models: tuple[ModelInfo, ModelInfo]
    posts: int = 0
    with_photo: int = 0
    degraded: int = 0
    copies: int = 0
    failed: int = 0
    concepts: dict[Concept, ConceptDiff] = field(init=False)

    def __post_init__(self) -> None:
        self.concepts = {concept: ConceptDiff(self.listed) for concept in CONCEPTS}

    def add(self, before: Answer, after: Answer) -> None:
        """Count the answers of the two models to one line."""
        if before.event is None or after.event is None:
            self.failed += before.error is not None or after.error is not None
        elif before.event.duplicates_seen and after.event.duplicates_seen:
            self.copies += 1
        else:
            self._add(before.event, after.event)

    def _add(self, before: Event, after: Event) -> None:
        self.posts += 1
        self.with_photo += "image" in before.modalities.used
        self.degraded += before.degraded
        for concept, diff in self.concepts.items():
            one, other = getattr(before.labels, concept), getattr(after.labels, concept)
            diff.add(Change(distance(one, other), before.post.id, before.post.text, one, other))


def distance(before: Label, after: Label) -> float:
    """Total variation between two answers: 0 for the same probabilities, 1 where one has an answer and one has none."""
    if (before.label is None) != (after.label is None):
        return 1.0
    names = {*before.probabilities, *after.probabilities}
    return sum(abs(before.probabilities.get(n, 0.0) - after.probabilities.get(n, 0.0)) for n in names) / 2


async def compare(
    lines: AsyncIterable[Line],
    first: Scorer,
    second: Scorer,
    fetch: Fetch,
    *,
    listed: int = 10,
    reader: Reader | None = None,
    enrich: Enricher | None = None,
) -> ModelDiff:
    """Label lines with both models, batch by batch; each image is fetched once, for both.

    Raises:
        ValueError: the models want images of different sizes.
        ModelBrokenError: a model fails on everything.
    """
    if first.image_size != second.image_size:
        raise ValueError(
            f"one model wants images of {first.image_size} pixels, the other of {second.image_size}: "
            "label the file with each (crisis-stream label)"
        )
    found, images = ModelDiff(listed, (first.info, second.info)), _Once(fetch)
    labellers = [
        OfflineLabeller(scorer, images.fetch, batch_size=_AT_ONCE, reader=reader, enrich=enrich)
        for scorer in (first, second)
    ]
    async for batch in _batches(lines):
        before, after = [[answer async for answer in labeller.answers(batch)] for labeller in labellers]
        for one, other in zip(before, after, strict=True):
            found.add(one, other)
        images.forget()
    return found


async def _batches(lines: AsyncIterable[Line]) -> AsyncIterator[list[Line]]:
    batch: list[Line] = []
    async for line in lines:
        batch.append(line)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


class _Once:
    """Remembers what was fetched until told to forget it, so that the second model sees what the first saw."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._known: dict[tuple[MediaLink, ...], asyncio.Future[tuple[MediaOutcome, ...]]] = {}

    async def fetch(self, links: Sequence[MediaLink]) -> tuple[MediaOutcome, ...]:
        """The outcomes of these links, fetched now or before."""
        key = tuple(links)
        if key not in self._known:
            self._known[key] = asyncio.ensure_future(self._fetch(links))
        return await self._known[key]

    def forget(self) -> None:
        """Let go of the images."""
        self._known.clear()


def report(found: ModelDiff) -> list[str]:
    """The lines to print: by concept agreement, confusion (rows: the first model) and the most changed posts."""
    about = f"{found.with_photo} with a photo used, {found.degraded} degraded"
    lines = [
        " -> ".join(f"{model.name} {model.version} ({model.hash[:12]})" for model in found.models),
        f"{found.posts} posts ({about}), {found.copies} copies counted once, {found.failed} lines failed",
    ]
    for concept, diff in found.concepts.items():
        if not diff.posts:
            lines += ["", f"{concept}: no answers"]
            continue
        mean = diff.distances / diff.posts
        lines += ["", f"{concept}: agreement {diff.agreement:.3f} of {diff.posts}, mean change {mean:.3f}"]
        lines += _matrix(diff.confusion, [*LABELS[concept], NO_ANSWER])
        lines += [_told(change) for change in diff.changes]
    return lines


def _matrix(confusion: Counter[tuple[str, str]], labels: Sequence[str]) -> list[str]:
    """Rows are the first model's labels, columns the second's in the same order; labels nobody gave are left out."""
    there = [label for label in labels if any(label in pair for pair in confusion)]
    names = {label: f"{letter} {label}" for letter, label in zip("abcdef", there, strict=False)}
    wide = max(map(len, names.values()))
    head = "  " + " " * wide + "".join(f"{name[0]:>7}" for name in names.values())
    return [head, *(f"  {names[a]:{wide}}" + "".join(f"{confusion[a, b]:7,}" for b in there) for a in there)]


def _told(change: Change) -> str:
    text = change.text if len(change.text) <= 80 else change.text[:79] + "…"
    return f"  {change.distance:.2f}  {_plain(change.before)} -> {_plain(change.after)}  {change.post_id!r} {text!r}"


def _plain(label: Label) -> str:
    return NO_ANSWER if label.label is None else f"{label.label} {label.probability:.2f}"
