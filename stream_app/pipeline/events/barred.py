"""Which events may not be shown any more. No I/O.

Events of one post lie in one partition and come in order, but an author's withdrawal lies in another than the posts,
and records may come again. So it is remembered what was taken, and what was labelled before is not shown any more.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from stream_app.pipeline.events.event import Event


def whose(network: str, post: str, root: str, author: str | None) -> tuple[str, ...]:
    """Names by which a post may be taken: its own, its root's, its author's."""
    return f"post:{network}:{post}", f"post:{network}:{root}", f"author:{network}:{author}"


class Barred:
    """Names of what was taken, and when; at most ``most``, the latest.

    A version that was edited never comes back; a post or an author may, with what is labelled later.
    """

    def __init__(self, most: int | None = None) -> None:
        self._since: dict[str, datetime] = {}
        self._most = most

    def __len__(self) -> int:
        """Names."""
        return len(self._since)

    def note(self, name: str, at: datetime) -> None:
        """Bar what has this name and was labelled up to ``at``; of ``event:ID`` whenever it was."""
        self._since[name] = max(at, self._since.pop(name, at))
        if self._most is not None and len(self._since) > self._most:
            del self._since[next(iter(self._since))]

    def allow(self, name: str) -> None:
        """Undo :meth:`note`: an edit may go back to a version before it."""
        self._since.pop(name, None)

    def take(self, event: Event) -> None:
        """Note what a withdrawal takes, or what an edit replaces; nothing of any other event."""
        at, post, taken = event.timings.produced_at, event.post, event.withdrawn
        if event.supersedes is not None and event.supersedes != event.id:
            self.note(f"event:{event.supersedes}", at)
            self.allow(f"event:{event.id}")
        if taken is None or taken.place_only:
            return
        if taken.edited_to is not None:
            names = [f"event:{each}" for each in taken.events if each != taken.edited_to]
        elif taken.whole_author:
            names = [f"author:{post.network}:{post.author_key}"]
        else:
            names = [f"post:{post.network}:{post.id}"]
        for name in names:
            self.note(name, at)

    def bars(self, event: str, names: Iterable[str], at: datetime) -> bool:
        """Whether the event of this id, of a post of these names (:func:`whose`), labelled ``at``, may not be shown."""
        if f"event:{event}" in self._since:
            return True
        return any(at <= self._since[name] for name in names if name in self._since)

    def bars_event(self, event: Event) -> bool:
        """The same of a whole event."""
        post = event.post
        names = whose(post.network, post.id, post.root_id, post.author_key)
        return self.bars(event.id, names, event.timings.produced_at)

    def forget(self, before: datetime) -> list[str]:
        """Let go of what was taken before this time; the names."""
        old = [name for name, at in self._since.items() if at < before]
        for name in old:
            del self._since[name]
        return old
