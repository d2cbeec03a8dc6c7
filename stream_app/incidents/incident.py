"""The incident: posts that belong together, as one entity that is published anew whenever it changes."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import AuthorKind, Frozen, Network, PlaceSource

INCIDENT_TYPE = "io.crisis-stream.incident.updated.v1"

Severity = Literal["severe", "moderate", "minor", "unknown"]
Trend = Literal["rising", "steady", "falling"]


class IncidentPlace(Frozen):
    """Where it happens: the mean of its root posts' positions; WGS 84 degrees and kilometres."""

    name: str | None = None
    country_code: str | None = Field(None, description="ISO 3166-1 alpha-2")
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    radius_km: float = Field(gt=0, description="nine in ten of its roots lie within; at least the source's doubt")
    source: PlaceSource | Literal["analyst"] = Field(
        description="the commonest source among its roots; analyst where somebody corrected it"
    )


class SupportingPost(Frozen):
    """One root post an incident stands on, with a short excerpt and its usable images."""

    id: str = Field(description="the root post's id")
    network: Network
    event_id: str
    url: str | None = None
    excerpt: str
    created_at: Moment
    humanitarian: float = Field(description="probability of the incident's category")
    damage: str | None = None
    images: tuple[str, ...] = ()
    reposts: int = Field(0, ge=0, description="reposts and exact copies of this root")
    near_duplicates: int = Field(
        0, ge=0, description="other roots that say nearly the same or show nearly the same photo"
    )


class Window(Frozen):
    """Posts, reposts included, created in the window that ends at ``end``."""

    end: Moment
    posts: int = Field(ge=0)


class Incident(Frozen):
    """Posts that belong together by place, time and text. ``version`` rises with every change.

    One that was published and has lost all its posts is closed and has ``post_count`` 0. When it is let go from memory
    its last version says nothing any more of what anybody wrote.
    """

    id: str
    version: int = Field(ge=1)
    status: Literal["open", "closed"] = "open"
    title: str
    category: str = Field(description="the gravest humanitarian label that a tenth of its roots have")
    severity: Severity
    severity_score: float = Field(ge=0, le=1, description="over independent authors; docs/incidents.md")
    trend: Trend
    windows: tuple[Window, ...] = Field(description="adjacent windows up to ``last_seen``, oldest first")
    first_seen: Moment = Field(description="creation time of the earliest post")
    last_seen: Moment = Field(description="creation time of the latest post, reposts included")
    updated_at: Moment = Field(description="when its latest post was labelled")
    place: IncidentPlace | None = None
    posts: tuple[SupportingPost, ...] = Field(description="the strongest roots, capped; counts cover all")
    post_count: int = Field(ge=0, description="every post, reposts and copies included; 0: all were withdrawn")
    root_count: int = Field(ge=0, description="distinct root posts")
    repost_count: int = Field(ge=0)
    near_duplicate_count: int = Field(ge=0, description="roots that repeat another root's text or photo")
    members: tuple[str, ...] = Field(
        (), description="root posts it holds, as network:id; the latest 1,000 by creation where there are more"
    )
    author_count: int = Field(ge=0, description="independent authors: near-duplicates and reposts add none")

    author_kinds: dict[AuthorKind, int] = Field(
        {}, description="of its root posts' authors, how many are known to be official, media, aid groups, eyewitnesses"
    )

    def without_texts(self) -> Self:
        """The next version, in which its posts are named only."""
        posts = (post.model_copy(update={"excerpt": "", "url": None, "images": ()}) for post in self.posts)
        return self.model_copy(update={"version": self.version + 1, "posts": tuple(posts)})
