"""What a reader was shown lately, so that it can be told what became of it. No I/O."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import NamedTuple

from stream_app.pipeline.events.barred import whose
from stream_app.pipeline.events.event import Event

_REMEMBERED = 10_000


class Seen(NamedTuple):
    """An event that was shown: nothing of what its post says."""

    id: str
    names: tuple[str, ...]
    """Of its post, its root and its author; see :func:`.barred.whose`."""
    at: datetime
    """When it was labelled."""


class Shown:
    """The events shown last."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, Seen] = OrderedDict()

    def note(self, event: Event) -> None:
        """Remember that it was shown."""
        post = event.post
        names = whose(post.network, post.id, post.root_id, post.author_key)
        self._seen[event.id] = Seen(event.id, names, event.timings.produced_at)
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def taken_by(self, event: Event) -> list[Seen]:
        """What was shown that a withdrawal takes back, or an edit replaces; it then counts as shown no more."""
        taken, post = event.withdrawn, event.post
        ids, name = set(taken.events if taken else ()), None
        if event.supersedes is not None:
            ids.add(event.supersedes)
        if taken is not None and taken.edited_to is None:
            kind, of = ("author", post.author_key) if taken.whole_author else ("post", post.id)
            name = f"{kind}:{post.network}:{of}"
        found = [each for each in self._seen.values() if each.id in ids or name in each.names]
        if taken is None or not taken.place_only:
            for each in found:
                del self._seen[each.id]
        return found
