"""Makes everything forget a post or an author: finds their events in the topics' history and takes each back.

The events stay in a topic that is not compacted until its retention ends; what is published is the word that they may
not be shown any more, and the workers are told through the feed, so that nothing on its way comes after it.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import orjson
from aiokafka.errors import IllegalOperation, KafkaError
from pydantic import ValidationError

from model.scorer import CONCEPTS, ModelInfo
from stream_app.kafka.clients import explained, started
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.kafka.window import transactional_producer
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.events.publish import Record
from stream_app.pipeline.events.withdraw import Sent, withdrawals
from stream_app.pipeline.posts.facts import author_key
from stream_app.pipeline.posts.post import Network, Withdrawal
from stream_app.pipeline.posts.pseudonym import pseudonym
from stream_app.settings import Settings

_AT_ONCE = 5_000
"""Posts found before they are taken back: the memory that this needs, some 5 MB."""
_ROOTS = 200_000
"""Ids of an author's posts that are remembered, to know their reposts."""
_KEY = re.compile(r"[0-9a-f]{16}")
_X_PAGE = re.compile(r"https?://(?:\w+\.)?(?:x|twitter)\.com/.+/status(?:es)?/(\d+)")


@dataclass(frozen=True)
class Wanted:
    """What is to be forgotten: one of ``post`` (an id or a page's address) and ``author`` (a key as events have it)."""

    network: Network | None
    post: str | None = None
    author: str | None = None


@dataclass
class Report:
    """What was found and done."""

    events: int = 0
    posts: int = 0
    reposts: int = 0
    already: int = 0
    """Posts that had been withdrawn before."""
    topics: dict[str, int] = field(default_factory=dict)
    told: bool = False
    """Whether the workers were told through the feed."""


def wanted(name: str, *, author: bool, network: Network | None, secret: str | None) -> Wanted:
    """What is meant by ``name``: a post's id or address; with ``author`` an author's id, or a key as events have it.

    Raises:
        ValueError: the network must be said.
    """
    known = network or _network_of(name)
    if author or name.startswith("did:"):
        if _KEY.fullmatch(name):
            return Wanted(network, author=name)
        if known is None:
            raise ValueError(f"of which network is the author {name!r}? Say --network")
        key = author_key(known, name)
        assert key is not None
        return Wanted(known, author=pseudonym(key, secret) if secret else key)
    if page := _X_PAGE.match(name):
        return Wanted("x", post=page[1])
    head, _, rest = name.partition("/")
    if head in ("x", "bluesky", "mastodon", "other") and rest:  # as a CloudEvent's subject has it
        return Wanted(head, post=rest)  # type: ignore[arg-type]
    return Wanted(known, post=name)


def _network_of(name: str) -> Network | None:
    if name.startswith(("at://", "did:", "https://bsky.app/")):
        return "bluesky"
    if name.startswith(("https://", "http://")):
        return "mastodon"
    return "x" if name.isascii() and name.isdigit() else None


async def forget(settings: Settings, what: Wanted, reason: str, *, dry_run: bool = False) -> Report:
    """Take back every event of a post, of its reposts, or of an author's posts and theirs, that Kafka still has.

    Raises:
        ValueError: nothing is known of it, and its network must be said.
        UnknownTopicOrPartitionError: there are no events topics.
        KafkaError: Kafka cannot be reached or refuses.
    """
    topics = settings.topics
    report, search = Report(), _Search(what, topics.events)
    producer = transactional_producer(settings.kafka, f"{topics.prefix}forget")
    async with explained(settings.kafka), started(producer):
        writer = _Writer(producer, settings, reason, report, dry_run=dry_run)
        await writer.tell(what)  # first, so that nothing that is on its way comes after what follows
        names = [topics.events, *map(topics.alerts, CONCEPTS)]
        async for received in subscribe(settings, names, since=EPOCH, until_end=True):
            search.look(received.topic, received.value)
            if len(search.found) >= _AT_ONCE:
                await writer.take_back(search)
        await writer.take_back(search)
        named = Wanted(what.network or search.network, search.id or what.post, what.author)
        if named != what:
            await writer.tell(named)
        if named.author is not None and named.network is not None:
            whole = Withdrawal(network=named.network, author_key=named.author, keyed=True, reason=reason, at=_now())
            await writer.put(withdrawals(whole, (), search.model, topics))
    if named.network is None and not dry_run:
        raise ValueError("no event of it is known: say its --network, so that workers can be told")
    report.already = search.already
    return report


class _Writer:
    """Writes what takes back, and counts it; a dry run counts only."""

    def __init__(self, producer: Any, settings: Settings, reason: str, report: Report, *, dry_run: bool) -> None:
        self._producer, self._settings, self._reason = producer, settings, reason
        self._report, self._dry_run = report, dry_run

    async def put(self, records: list[Record]) -> None:
        """Write records in one transaction."""
        for record in records:
            self._report.topics[record.topic] = self._report.topics.get(record.topic, 0) + 1
        if records and not self._dry_run:
            await self._send(records)

    async def _send(self, records: list[Record]) -> None:
        sent: list[asyncio.Future[Any]] = []
        try:
            async with self._producer.transaction():
                for each in records:
                    headers = list(each.headers)
                    sent.append(await self._producer.send(each.topic, each.value, key=each.key, headers=headers))
                await asyncio.gather(*sent)
        except (KafkaError, IllegalOperation) as error:
            # Once one record is refused, aiokafka says of the others that there is no transaction.
            answers = await asyncio.gather(*sent, return_exceptions=True)
            refused = next((answer for answer in answers if isinstance(answer, KafkaError)), error)
            raise refused from None

    async def take_back(self, search: _Search) -> None:
        """Write withdrawals of what was found so far, and let go of it."""
        records = []
        for sent in search.found.values():
            self._report.events += len(sent.events)
            self._report.posts += sent.post == sent.root
            self._report.reposts += sent.post != sent.root
            each = Withdrawal(network=sent.network, id=sent.post, reason=self._reason, at=_now())
            records += withdrawals(each, [sent], search.model, self._settings.topics)
        search.found.clear()
        await self.put(records)

    async def tell(self, what: Wanted) -> None:
        """Send the withdrawal into the feed, where the network is known: for what workers remember and have in hand."""
        if self._dry_run or what.network is None:
            return
        name = {"id": what.post} if what.post is not None else {"author_key": what.author}
        line = {"network": what.network, **name, "withdrawn": self._reason, "at": _now()}
        value, key = orjson.dumps(line, option=orjson.OPT_UTC_Z), (what.post or what.author or "").encode()
        await self._send([Record(self._settings.topics.posts, key, value, [])])
        self._report.told = True


class _Search:
    """Looks at every record of the topics once; what it keeps is bounded."""

    def __init__(self, what: Wanted, events: str) -> None:
        self._what, self._events = what, events
        self._needle = orjson.dumps(what.post or what.author)[1:-1]
        self._roots: dict[tuple[str, str], None] = {}
        self.found: dict[tuple[str, str, str], Sent] = {}
        self.already = 0
        self.network: Network | None = None
        self.model = ModelInfo("unknown", "0", "")
        self.id: str | None = None
        """Of the post that was meant, where it was named by its address."""

    def look(self, topic: str, value: bytes) -> None:
        """Keep what is to be known of an event that is meant, and let go of what was withdrawn already."""
        if self._needle not in value and not (self._what.author and self._roots):
            return
        try:
            event = Event.model_validate_json(value)
        except ValidationError:
            return
        post = event.post
        if not self._means(event):
            return
        name = post.network, post.id, post.root_id
        if event.withdrawn is not None:
            if not event.withdrawn.place_only and event.withdrawn.edited_to is None:
                self.already += topic == self._events
                self.found.pop(name, None)
            return
        self.network = post.network
        self.id = post.id if self._what.post == post.url else self.id
        self.model = ModelInfo(event.model.name, event.model.version, event.model.hash)
        if len(self._roots) < _ROOTS:
            self._roots[post.network, post.id] = None
        before = self.found.get(name)
        events = dict.fromkeys((*(before.events if before else ()), event.id))
        held = dict.fromkeys((*(before.topics if before else ()), topic))
        self.found[name] = Sent(*name, post.author_key, tuple(events), tuple(held), 0.0)

    def _means(self, event: Event) -> bool:
        post, what = event.post, self._what
        if what.network not in (None, post.network):
            return False
        if (post.network, post.root_id) in self._roots:
            return True
        return post.author_key == what.author if what.author else what.post in (post.id, post.root_id, post.url)


def _now() -> datetime:
    return datetime.now(UTC)
