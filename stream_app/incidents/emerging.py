"""What is emerging: words, places and photos that many speak of at once, before any incident has two authors."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.atlas.fold import WORD, folded, lowered
from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import Frozen

EMERGING_TYPE = "io.crisis-stream.emerging.updated.v1"
Kind = Literal["word", "place", "photo"]
_LEAST_LETTERS, _MOST_LETTERS, _MOST_WORDS = 4, 30, 60


class Seen(Frozen):
    """Where a photo was first seen, as far back as memory reaches."""

    at: Moment
    event_id: str
    place: str | None = None


class Emerging(Frozen):
    """A term whose rate bursts. Published anew whenever it changes; ``status`` over ends it."""

    id: str = Field(description="kind and term, as word:flood")
    kind: Kind
    term: str = Field(description="the word in small letters, the place's name, or the photo's perceptual hash")
    status: Literal["rising", "over"] = "rising"
    posts: int = Field(ge=0, description="that have it in the window")
    authors: int = Field(ge=0, description="of those posts, each once; a post of unknown author counts as one")
    expected: float = Field(ge=0, description="posts that would have it, were its share what it was before")
    score: float = Field(description="how far beyond chance, in standard deviations")
    since: Moment = Field(description="the first of these posts was written then")
    at: Moment = Field(description="the latest of these posts was labelled then")
    examples: tuple[str, ...] = Field((), description="ids of events that have it, the latest five")
    first_seen: Seen | None = Field(
        None, description="of a photo: when and where it was seen first, if before the window: a picture used again"
    )


class Glimpse(Frozen):
    """What a burst needs of a post, root posts only: what it speaks of and shows."""

    post: str
    event_id: str
    author: str
    terms: tuple[str, ...]
    photos: tuple[str, ...] = ()
    place: str | None = None
    written_at: Moment
    at: Moment = Field(description="when it was labelled")


class Gone(Frozen):
    """Posts that may not be known any more: one, or with ``author`` all of theirs."""

    post: str | None = None
    author: str | None = None
    events: tuple[str, ...] = ()


def glimpse_of(event: Event) -> Glimpse | Gone | None:
    """The terms of an informative root post, as ``kind:term``; what a withdrawal takes; None for any other."""
    post, taken = event.post, event.withdrawn
    if taken is not None:
        if taken.place_only or taken.edited_to:
            return None
        if taken.whole_author:
            return Gone(author=post.author_key)
        return Gone(post=f"{post.network}:{post.id}", events=(event.id, *taken.events))
    if event.labels.informativeness.label != "informative" or post.root_id != post.id:
        return None
    words = dict.fromkeys(folded(word) for word in WORD.findall(lowered(post.text)))
    plain = [word for word in words if _LEAST_LETTERS <= len(word) <= _MOST_LETTERS and word.isalpha()]
    photos = tuple(each.perceptual_hash for each in event.media if each.perceptual_hash)
    place = post.place.name if post.place else None
    terms = [f"word:{word}" for word in plain[:_MOST_WORDS] if word not in ("https", "http")]
    terms += [f"place:{place}"] if place else []
    return Glimpse(
        post=f"{post.network}:{post.id}",
        event_id=event.id,
        author=post.author_key or f"{post.network}:{post.id}",
        terms=(*terms, *(f"photo:{photo}" for photo in photos)),
        photos=photos,
        place=place,
        written_at=min(post.created_at, event.timings.produced_at),
        at=event.timings.produced_at,
    )
