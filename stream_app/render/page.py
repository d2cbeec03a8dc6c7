"""One page of the incidents on show, as the feeds render it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote, urlencode

from stream_app.decisions.shown import Said, Shown
from stream_app.render.cap import CapOptions

TITLE = "crisis-stream: incidents"
SUBTITLE = "Posts of social media that belong together, labelled by a model, not verified unless it says so"


@dataclass(frozen=True, slots=True)
class Page:
    """``items`` are those of page ``number`` of ``pages``, the latest changed first; ``home`` is the dashboard."""

    items: Sequence[Shown]
    home: str
    form: str
    number: int
    pages: int
    query: Mapping[str, str]
    updated: datetime
    cap: CapOptions
    earlier: Callable[[Shown], Sequence[Said]]

    def address(self, number: int | None = None, form: str | None = None) -> str:
        """Where page ``number`` (this one) is to be had in ``form`` (this one)."""
        query = {**self.query, "page": str(number or self.number)} if (number or self.number) > 1 else dict(self.query)
        return f"{self.home}feeds/incidents.{form or self.form}" + (f"?{urlencode(query)}" if query else "")

    def links(self) -> dict[str, str]:
        """Addresses of the pages round this one, by their relation (RFC 8288, RFC 5005)."""
        links = {"self": self.address(), "first": self.address(1), "last": self.address(self.pages)}
        if self.number > 1:
            links["previous"] = self.address(self.number - 1)
        if self.number < self.pages:
            links["next"] = self.address(self.number + 1)
        return links

    def shown_at(self, item: Shown) -> str:
        """Where people see an incident."""
        return f"{self.home}?incident={quote(item.incident.id, safe='')}"

    def cap_at(self, item: Shown) -> str:
        """Where its CAP message is."""
        return f"{self.home}feeds/incidents/{quote(item.incident.id, safe='')}.cap"


def summary(item: Shown) -> str:
    """An incident in a few sentences. Strangers' words are in it."""
    incident, work = item.incident, item.work
    said = [f"{incident.post_count} posts by {incident.author_count} independent authors, {incident.trend}."]
    if work.status != "new":
        said.append(f"Status: {work.status}.")
    return " ".join([*said, *(f"“{post.excerpt}”" for post in incident.posts[:3])])
