"""What is taken from incidents: posts withdrawn, versions before an edit, places; and who may not come back.

Events of one post lie in one partition and come in order, but an author's withdrawal lies in another than the posts,
and after a crash events come again. So what was taken is remembered, and what was labelled before is not let in.
"""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from stream_app.incidents.sighting import Sighting, sighting_of
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.post import Frozen
from stream_app.settings import IncidentSettings


class Taken(Frozen):
    """What incidents are to let go of. ``post`` and ``author`` carry the network, as ``network:id``."""

    taken_at: datetime = Field(description="when it was published")
    post: str | None = Field(None, description="this post goes, and its reposts")
    author: str | None = Field(None, description="every post of this author goes")
    events: tuple[str, ...] = Field((), description="ids of events that go")
    edited: bool = Field(False, description="what goes was edited: it does not come back")
    place_only: bool = False
    instead: Sighting | None = Field(None, description="what an edited post says now, where that is of an incident")


def read_event(event: Event, rules: IncidentSettings) -> Sighting | Taken | None:
    """What incidents need of an event: a post that counts, or what an edit or a withdrawal takes; None of most."""
    taken, post = event.withdrawn, event.post
    name = f"{post.network}:{post.id}"
    if taken is None:
        found = sighting_of(event, rules)
        if event.supersedes is None:
            return found
        return Taken(
            taken_at=event.timings.produced_at, post=name, events=(event.supersedes,), edited=True, instead=found
        )
    return Taken(
        taken_at=event.timings.produced_at,
        post=None if taken.whole_author or taken.edited_to else name,
        author=f"{post.network}:{post.author_key}" if taken.whole_author else None,
        events=taken.events,
        edited=taken.edited_to is not None,
        place_only=taken.place_only,
    )


class Losses(Frozen):
    """What an incident has lost: ``gone`` posts up to ``at``; ``shown`` whether it was published before."""

    incident: str
    at: datetime
    gone: int = 0
    shown: bool = False


class Barred:
    """Names of what was taken, and when: what was labelled before that does not come in, late or again.

    A version that was edited never comes back in; a post or an author may, with what is labelled later.
    """

    def __init__(self) -> None:
        self._since: dict[str, datetime] = {}

    def take(self, taken: Taken) -> tuple[str, ...]:
        """Bar what is taken; the names of which :meth:`note` is to be told after a restart."""
        if taken.place_only:
            return ()
        stays = f"event:{taken.instead.event_id}" if taken.instead else None
        if taken.edited:
            names = tuple(name for each in taken.events if (name := f"event:{each}") != stays)
        else:
            names = (f"author:{taken.author}" if taken.author else f"post:{taken.post}",)
        for name in names:
            self.note(name, taken.taken_at)
        self._since.pop(stays or "", None)  # an edit may go back to a version before it
        return names

    def note(self, name: str, at: datetime) -> None:
        """Bar what was taken at this time."""
        self._since[name] = max(at, self._since.get(name, at))

    def bars(self, sighting: Sighting) -> bool:
        """Whether a post may not come in."""
        names = (f"post:{sighting.post}", f"post:{sighting.root}", f"author:{sighting.network}:{sighting.author}")
        since = [self._since[name] for name in names if name in self._since]
        return f"event:{sighting.event_id}" in self._since or any(sighting.arrived_at <= at for at in since)

    def forget(self, before: datetime) -> list[str]:
        """Let go of what was taken before this time; the names."""
        old = [name for name, at in self._since.items() if at < before]
        for name in old:
            del self._since[name]
        return old
