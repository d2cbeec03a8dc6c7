"""What was published lately and what may not be: from these an edit's or a deletion's records are made. No I/O.

A withdrawal is keyed as the events it takes back, so that a compacted copy of the topic keeps it and forgets them; no
tombstone follows, which would let a reader that comes later believe that the post had never been withdrawn.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import orjson

from model.scorer import CONCEPTS, ModelInfo
from stream_app.pipeline.events.build import Made
from stream_app.pipeline.events.event import event_id
from stream_app.pipeline.events.publish import Record, event_records
from stream_app.pipeline.posts.facts import Fields
from stream_app.pipeline.posts.post import Network, Post, Withdrawal
from stream_app.settings import TopicSettings

_MANY_VERSIONS = 20
"""Versions of a post whose event ids are kept."""
_WITHDRAWN = 10_000


class Sent(NamedTuple):
    """What is remembered of a post's events: ids, oldest first; the key they have, and topics that hold any."""

    network: Network
    post: str
    root: str
    author: str | None
    events: tuple[str, ...]
    topics: tuple[str, ...]
    arrived: float
    local: str | None = None
    """The id that a deletion may call it by."""


class Published:
    """The posts published last, at most ``size``, and the withdrawals that came last."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: OrderedDict[tuple[str, str], Sent] = OrderedDict()
        self._local: dict[tuple[str, str], str] = {}
        self._withdrawn: OrderedDict[tuple[str, str], float] = OrderedDict()

    def last(self, network: str, post_id: str) -> Sent | None:
        """What was published of a post; None where that is not known any more."""
        return self._sent.get((network, post_id))

    def knows(self, network: str, name: str) -> bool:
        """Whether a post is known by this id, its own or that of its server."""
        return (network, name) in self._sent or (network, name) in self._local

    def recall(self, sent: Sent) -> None:
        """Remember an event that was published before this worker could, behind all that it remembers itself."""
        name = sent.network, sent.post
        before = self._sent.get(name)
        if before is None and len(self._sent) >= self._size:
            return
        if before is None or not before.arrived:  # not published by this worker
            events = (*before.events, *sent.events) if before else sent.events
            self._sent[name] = sent._replace(events=tuple(dict.fromkeys(events))[-_MANY_VERSIONS:])
            self._sent.move_to_end(name, last=False)
        if sent.local is not None:
            self._local[sent.network, sent.local] = sent.post

    def note(self, post: Post, event: Made, topics: Iterable[str], arrived: float) -> None:
        """Remember an event that is on its way out; ``arrived`` is when its post came."""
        before = self._sent.pop((post.network, post.id), None)
        events = tuple(dict.fromkeys((*(before.events if before else ()), event.id)))[-_MANY_VERSIONS:]
        sent = Sent(post.network, post.id, event.key, post.author.key, events, tuple(topics), arrived, post.local_id)
        self._sent[post.network, post.id] = sent
        if post.local_id is not None:
            self._local[post.network, post.local_id] = post.id
        if len(self._sent) > self._size:
            (network, _), oldest = self._sent.popitem(last=False)
            self._local.pop((network, oldest.local or ""), None)

    def withdraw(self, withdrawal: Withdrawal, now: float) -> list[Sent]:
        """Take note of a withdrawal that has come ``now``; what was published of its posts, which is then forgotten."""
        network = withdrawal.network
        if withdrawal.id is not None:
            name: tuple[str, str] = (network, withdrawal.id)
            names: list[tuple[str, str]] = [name if name in self._sent else (network, self._local.get(name, name[1]))]
        else:
            author = withdrawal.author_key
            names = [each for each, sent in self._sent.items() if sent.author == author and each[0] == network]
        found = [self._sent[name] for name in names if name in self._sent]
        if not withdrawal.place_only:
            for name in names:
                self._sent.pop(name, None)
            whose = network, withdrawal.id or _author(withdrawal.author_key)
            self._withdrawn[whose] = now
            self._withdrawn.move_to_end(whose)
            if len(self._withdrawn) > _WITHDRAWN:
                self._withdrawn.popitem(last=False)
        return found

    def overtaken(self, post: Post, arrived: float, event: str | None = None) -> bool:
        """Whether a post that came at ``arrived`` was withdrawn, with its root or author, or edited since.

        ``event`` is the id of its event: one that was published already is not overtaken by itself.
        """
        later = self._sent.get((post.network, post.id))
        if later is not None and later.arrived > arrived and event not in later.events:
            return True
        if not self._withdrawn:
            return False
        names = {post.id, post.root_id, post.local_id or post.id, _author(post.author.key)}
        return any(self._withdrawn.get((post.network, name), arrived) > arrived for name in names)


def withdrawals(withdrawal: Withdrawal, found: Iterable[Sent], model: ModelInfo, topics: TopicSettings) -> list[Record]:
    """The records of a withdrawal: one event for each post ``found`` and for the author as a whole, in each topic.

    Of a post that is not known any more, the event's id is its first version's under the ``model`` in use, its key its
    own id, and all alert topics get it, since any of them may have it.
    """
    known = list(found)
    records = [record for sent in known for record in _records(withdrawal, sent, model, topics)]
    if withdrawal.id is not None and not known:
        unknown = _unknown(withdrawal.network, withdrawal.id, model, topics)
        records += _records(withdrawal, unknown, model, topics)
    elif withdrawal.author_key is not None:
        name = _author(withdrawal.author_key)
        everyone = _unknown(withdrawal.network, name, model, topics)._replace(author=withdrawal.author_key)
        records += _records(withdrawal, everyone, model, topics, whole_author=True)
    return records


def replaced(
    post: Post, first: str, before: Sent | None, made: Made, raised: Iterable[str], model: ModelInfo,
    topics: TopicSettings,
) -> list[Record]:  # fmt: skip
    """Takes the version before an edit back from topics that do not get the edit, or have it under another key.

    ``raised`` are the topics that ``made``, the edit's event, goes to; ``first`` is :func:`.build.first_version`.
    """
    sent = before or _unknown(post.network, first, model, topics)
    taken = set(raised)
    stale = tuple(each for each in sent.topics if each not in taken or sent.root != made.key)
    withdrawal = Withdrawal(network=post.network, id=sent.post, reason="edited")
    return list(_records(withdrawal, sent._replace(topics=stale), model, topics, edited_to=made.id))


def _author(key: str | None) -> str:
    return f"author:{key}"


def _unknown(network: Network, post_id: str, model: ModelInfo, topics: TopicSettings) -> Sent:
    name = event_id(network, post_id, model.version)
    everywhere = (topics.events, *map(topics.alerts, CONCEPTS))
    return Sent(network, post_id, post_id, None, (name,), everywhere, 0.0)


def _records(
    withdrawal: Withdrawal,
    sent: Sent,
    model: ModelInfo,
    topics: TopicSettings,
    *,
    whole_author: bool = False,
    edited_to: str | None = None,
) -> Iterator[Record]:
    time = datetime.now(UTC).isoformat()[:-6] + "Z"
    withdrawn = {
        "reason": withdrawal.reason,
        "at": withdrawal.at,
        "events": sent.events,
        "edited_to": edited_to,
        "whole_author": whole_author,
        "place_only": withdrawal.place_only,
    }
    value = _value(sent, model, time, withdrawal.at) | {"withdrawn": withdrawn}
    made = Made(
        sent.events[-1],
        sent.root,
        f"{sent.network}/{sent.post}",
        time,
        orjson.dumps(value, option=orjson.OPT_UTC_Z),
        withdraws=True,
    )
    return iter(event_records(made, sorted(sent.topics, key=lambda topic: topic != topics.events)))


def _value(sent: Sent, model: ModelInfo, time: str, at: datetime | None) -> Fields:
    """An event with nothing in it but whose it is."""
    nothing: Fields = {"label": None, "probability": None, "probabilities": {}, "reason": "withdrawn"}
    return {
        "id": sent.events[-1],
        "post": {
            "network": sent.network,
            "id": sent.post,
            "root_id": sent.root,
            "url": None,
            "text": "",
            "language": None,
            "created_at": at or time,
            "kind": "original" if sent.root == sent.post else "repost",
            "place": None,
            "author_key": sent.author,
            "edited": None,
        },
        "media": [],
        "labels": dict.fromkeys(CONCEPTS, nothing),
        "modalities": {"used": [], "attention": {}, "pairs": {}},
        "degraded": False,
        "degraded_reasons": [],
        "review": False,
        "review_reasons": [],
        "model": {"name": model.name, "version": model.version, "hash": model.hash},
        "duplicate_of": None,
        "duplicates_seen": 0,
        "supersedes": None,
        "timings": {"media_ms": 0.0, "queue_ms": 0.0, "model_ms": 0.0, "total_ms": 0.0, "produced_at": time},
    }
