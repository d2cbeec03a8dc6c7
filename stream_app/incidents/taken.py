"""What is taken from incidents: posts withdrawn, versions before an edit, places."""

from __future__ import annotations

from pydantic import Field

from stream_app.incidents.sighting import Sighting, sighting_of
from stream_app.pipeline.events.barred import Barred
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import Frozen
from stream_app.settings import IncidentSettings


class Taken(Frozen):
    """What incidents are to let go of. ``post`` and ``author`` carry the network, as ``network:id``."""

    taken_at: Moment = Field(description="when it was published")
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
    at: Moment
    gone: int = 0
    shown: bool = False


def bar(barred: Barred, taken: Taken) -> tuple[str, ...]:
    """Bar what is taken from coming back; the names to note again after a restart."""
    if taken.place_only:
        return ()
    stays = f"event:{taken.instead.event_id}" if taken.instead else None
    if taken.edited:
        names = tuple(name for each in taken.events if (name := f"event:{each}") != stays)
    else:
        names = (f"author:{taken.author}" if taken.author else f"post:{taken.post}",)
    for name in names:
        barred.note(name, taken.taken_at)
    if stays is not None:
        barred.allow(stays)
    return names
