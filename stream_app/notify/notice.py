"""A notice: one thing to tell one channel, and what became of it. The outbox topic holds them, by key."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import Frozen

State = Literal["queued", "begun", "sent", "failed", "silenced", "superseded"]
Kind = Literal["alert", "count", "incident", "over"]
RANKS = ("unknown", "minor", "moderate", "severe")


class Notice(Frozen):
    """What a rule has to say to a channel. ``key`` is made of channel, subject and version: the same is told once."""

    key: str
    channel: str
    rule: str
    kind: Kind
    subject: str = Field(description="id of the incident, or of the event (the one that made the count full)")
    severity: str = "unknown"
    status: str = "new"
    title: str
    lines: tuple[str, ...] = ()
    data: dict[str, Any] = Field({}, description="the incident as it is shown, or the events")
    at: Moment = Field(description="Kafka's time of what it tells of")
    due: Moment = Field(description="not before: quiet hours and digests wait")
    digest: bool = False
    state: State = "queued"
    delivery: str | None = Field(None, description="once begun: the idempotency key, shared by all notices of a digest")
    error: str | None = None

    @property
    def open(self) -> bool:
        """Whether there is still something to do."""
        return self.state in ("queued", "begun")


def delivery_of(notices: Sequence[Notice]) -> str:
    """The idempotency key of notices that go out together: a single one's own, else one made of all."""
    if len(notices) == 1:
        return notices[0].key
    said = "\n".join(notice.key for notice in notices)
    return f"{notices[0].channel}/digest/{hashlib.sha256(said.encode()).hexdigest()[:32]}"
