"""Finds the terms whose share of the posts bursts. No Kafka, no clock of its own: glimpses and the time in.

The window is the last minutes; the past is what came before, a few hours. A term that had share ``p`` of the past's
posts is expected in ``p`` times the window's posts; more by :attr:`EmergingSettings.min_score` standard deviations of a
Poisson count, by several authors, is a burst. A word that people always use has the share it always had. (The counts of
Kleinberg's bursts with the test of Twitter's early trends: Poisson, against the term's own past.)
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from stream_app.incidents.emerging import Emerging, Glimpse, Gone, Kind, Seen
from stream_app.incidents.similar import PhotoIndex
from stream_app.pipeline.posts.moment import moved
from stream_app.settings import EmergingSettings

_EXAMPLES = 5
Covered = Callable[[str], bool]
"""Whether a post is in an incident that was published."""
FirstSeen = Callable[[str], Seen | None]
"""When and where a photo was first seen, by its hash."""


class Bursts:
    """The glimpses of the window and the counts of the past. A post counts once, however often it is added."""

    def __init__(self, rules: EmergingSettings) -> None:
        self._rules = rules
        self._window: deque[Glimpse] = deque()
        self._past: deque[Glimpse] = deque()
        self._known: set[str] = set()
        self._before: Counter[str] = Counter()
        self._now: defaultdict[str, dict[str, Glimpse]] = defaultdict(dict)
        self._told: dict[str, Emerging] = {}

    def add(self, glimpse: Glimpse) -> None:
        """Take a post in. They must come roughly in the order in which they were labelled."""
        if glimpse.post in self._known:
            return
        self._known.add(glimpse.post)
        self._window.append(glimpse)
        for term in glimpse.terms:
            self._now[term][glimpse.post] = glimpse

    def take(self, gone: Gone) -> list[str]:
        """Let go of what was withdrawn: these posts. Their photos and words count no more."""
        if gone.author is None and gone.post not in self._known:
            return []
        taken = [each for each in (*self._window, *self._past) if _is(each, gone)]
        for glimpse in taken:
            if glimpse in self._past:
                self._past.remove(glimpse)
                self._uncount(glimpse)
            else:
                self._window.remove(glimpse)
                self._leave(glimpse)
            self._known.discard(glimpse.post)
        return [glimpse.post for glimpse in taken]

    def forget(self, now: datetime) -> list[str]:
        """Move what is older than the window to the past, and let go of what is older than that: these posts."""
        edge = moved(now, -timedelta(minutes=self._rules.window_minutes))
        while self._window and self._window[0].at < edge:
            glimpse = self._window.popleft()
            self._past.append(glimpse)
            self._before.update(glimpse.terms)
            self._leave(glimpse)
        edge = moved(now, -timedelta(hours=self._rules.past_h))
        gone = []
        while self._past and self._past[0].at < edge:
            glimpse = self._past.popleft()
            self._uncount(glimpse)
            self._known.discard(glimpse.post)
            gone.append(glimpse.post)
        return gone

    def changed(self, covered: Covered, first_seen: FirstSeen = lambda _: None) -> list[Emerging]:
        """What bursts or has ended since the last call; nothing before the past has :attr:`min_past` posts."""
        found = {each.id: each for each in self._rising(covered, first_seen)}
        ended = [each.model_copy(update={"status": "over"}) for name, each in self._told.items() if name not in found]
        news = [each for name, each in found.items() if _differs(each, self._told.get(name))]
        self._told = found
        return [*news, *ended]

    def __len__(self) -> int:
        """Posts in memory."""
        return len(self._known)

    def _leave(self, glimpse: Glimpse) -> None:
        """Out of the window."""
        for term in glimpse.terms:
            del self._now[term][glimpse.post]
            if not self._now[term]:
                del self._now[term]

    def _uncount(self, glimpse: Glimpse) -> None:
        """Out of the past."""
        self._before.subtract(glimpse.terms)
        for term in glimpse.terms:
            if not self._before[term]:
                del self._before[term]

    def _rising(self, covered: Covered, first_seen: FirstSeen) -> list[Emerging]:
        ratio = len(self._window) / len(self._past) if len(self._past) >= self._rules.min_past else None
        found = []
        for term, posts in self._now.items():
            if len(posts) < self._rules.min_authors and not term.startswith("photo:"):
                continue
            each = _emerging(term, list(posts.values()), self._before[term] * (ratio or 0.0), first_seen)
            if self._again(each) or (ratio is not None and self._bursts(each, posts, covered)):
                found.append(each)
        found.sort(key=lambda each: (-each.score, each.id))
        return _one_each(found)[: self._rules.most]

    def _bursts(self, each: Emerging, posts: Iterable[str], covered: Covered) -> bool:
        few = each.authors < self._rules.min_authors or each.score < self._rules.min_score
        return not few and 2 * sum(map(covered, posts)) < each.posts

    def _again(self, each: Emerging) -> bool:
        """An old picture shown as if it were new."""
        return each.first_seen is not None and each.since - each.first_seen.at >= timedelta(
            hours=self._rules.old_photo_h
        )


def _emerging(term: str, posts: list[Glimpse], expected: float, first_seen: FirstSeen) -> Emerging:
    kind, _, name = term.partition(":")
    since = min(glimpse.written_at for glimpse in posts)
    seen = first_seen(name) if kind == "photo" else None
    return Emerging(
        id=term,
        kind=_kind(kind),
        term=name,
        posts=len(posts),
        authors=len({glimpse.author for glimpse in posts}),
        expected=round(expected, 2),
        score=round((len(posts) - expected) / math.sqrt(expected + 1), 2),
        since=since,
        at=max(glimpse.at for glimpse in posts),
        examples=tuple(glimpse.event_id for glimpse in posts[-_EXAMPLES:]),
        first_seen=seen if seen is not None and seen.at < since else None,
    )


def _is(glimpse: Glimpse, gone: Gone) -> bool:
    return glimpse.author == gone.author if gone.author is not None else glimpse.post == gone.post


def _kind(kind: str) -> Kind:
    return "place" if kind == "place" else "photo" if kind == "photo" else "word"


def _one_each(found: list[Emerging]) -> list[Emerging]:
    """Without words that the same posts brought: of ``bridge`` and ``collapsed`` the first tells it."""
    kept: list[Emerging] = []
    for each in found:
        if not any(other.kind == each.kind and set(each.examples) <= set(other.examples) for other in kept):
            kept.append(each)
    return kept


def _differs(new: Emerging, old: Emerging | None) -> bool:
    return old is None or (new.posts, new.first_seen) != (old.posts, old.first_seen)


class PhotosSeen:
    """When and where each photo was first seen, by perceptual hash."""

    def __init__(self, rules: EmergingSettings) -> None:
        self._rules = rules
        self._index = PhotoIndex(rules.same_photo_bits)
        self._first: dict[str, Seen] = {}
        self._of_event: defaultdict[str, set[str]] = defaultdict(set)

    def see(self, glimpse: Glimpse) -> list[str]:
        """Take a post's photos in; the hashes of those that were never seen before."""
        new = [photo for photo in glimpse.photos if self.first(photo) is None]
        for photo in new:
            self.restore(photo, Seen(at=glimpse.written_at, event_id=glimpse.event_id, place=glimpse.place))
        return new

    def restore(self, photo: str, seen: Seen) -> None:
        """Remember what was seen once."""
        if photo not in self._first:
            self._index.add(photo)
        self._first[photo] = seen
        self._of_event[seen.event_id].add(photo)

    def take(self, gone: Gone) -> list[str]:
        """Let go of the photos of withdrawn events: these hashes."""
        photos = [photo for event in gone.events for photo in self._of_event.get(event, ())]
        for photo in photos:
            self._drop(photo)
        return photos

    def first(self, photo: str) -> Seen | None:
        """The earliest sight of a photo that shows the same, or None."""
        return min((self._first[each] for each in self._index.similar(photo)), key=lambda seen: seen.at, default=None)

    def forget(self, now: datetime) -> list[str]:
        """Let go of what was seen too long ago, and of the oldest while there are too many: these hashes."""
        edge = moved(now, -timedelta(days=self._rules.photo_days))
        gone = []
        for photo, seen in list(self._first.items()):  # in the order they came
            if seen.at >= edge and len(self._first) <= self._rules.photos:
                break
            self._drop(photo)
            gone.append(photo)
        return gone

    def _drop(self, photo: str) -> None:
        event = self._first.pop(photo).event_id
        self._index.discard(photo)
        self._of_event[event].discard(photo)
        if not self._of_event[event]:
            del self._of_event[event]
