"""An analyst's act on an incident, as it stands in the topic of decisions: the audit trail itself."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import uuid4

from pydantic import Field

from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import Frozen

DECISION_TYPE = "io.crisis-stream.incident.decided.v1"

Status = Literal["new", "checking", "confirmed", "false", "closed"]
STATUSES: tuple[Status, ...] = ("new", "checking", "confirmed", "false", "closed")
Name = Annotated[str, Field(min_length=1, max_length=200)]

SHORT = 8
"""Characters of an act's id that people are shown; its beginning is enough to name it."""


class Claim(Frozen):
    """Whoever says "I have this" owns it from here on."""

    kind: Literal["claim"] = "claim"

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return "claimed it"


class Assign(Frozen):
    """Somebody else is to have it."""

    kind: Literal["assign"] = "assign"
    to: Name

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"assigned it to {self.to}"


class Note(Frozen):
    """A remark for all who look."""

    kind: Literal["note"] = "note"
    text: str = Field(min_length=1, max_length=2_000)

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"noted: {self.text}"


class SetStatus(Frozen):
    """How far the check has come; ``false`` and ``closed`` end the work on it."""

    kind: Literal["status"] = "status"
    status: Status

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"set it to {self.status}"


class Merge(Frozen):
    """The incident is one with another, and shown as that from here on."""

    kind: Literal["merge"] = "merge"
    into: Name

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"merged it into {self.into}"


class Split(Frozen):
    """Some of its posts are something else: they become an incident of their own."""

    kind: Literal["split"] = "split"
    posts: tuple[Name, ...] = Field(min_length=1, max_length=1_000, description="root posts, as network:id")

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"split off {', '.join(self.posts)}"


class KnownPlace(Frozen):
    """A place as an analyst gives it; WGS 84 degrees and kilometres."""

    name: Annotated[str, Field(max_length=200)] | None = None
    country_code: str | None = Field(None, pattern="^[A-Z]{2}$", description="ISO 3166-1 alpha-2")
    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    radius_km: float = Field(5.0, gt=0, le=20_000)

    def words(self) -> str:
        """Its name and position."""
        name = ", ".join(filter(None, (self.name, self.country_code)))
        where = f"{self.latitude:.4f},{self.longitude:.4f} within {self.radius_km:g} km"
        return f"{name} ({where})" if name else where


class Correct(Frozen):
    """It happens elsewhere than the posts made believe."""

    kind: Literal["place"] = "place"
    place: KnownPlace

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"moved it to {self.place.words()}"


class Mute(Frozen):
    """No more messages of it, until ``until`` or, where that is null, for good; everybody still sees it."""

    kind: Literal["mute"] = "mute"
    until: Moment | None = None

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return "muted it" if self.until is None else f"muted it until {self.until:%Y-%m-%d %H:%M %Z}"


class Undo(Frozen):
    """An act is taken back as if it had never been; taking back an undo brings the act back."""

    kind: Literal["undo"] = "undo"
    act: Name = Field(description="id of the act taken back")

    def words(self) -> str:
        """What was done, after the name of who did it."""
        return f"undid {self.act[:SHORT]}"


Act = Annotated[Claim | Assign | Note | SetStatus | Merge | Split | Correct | Mute | Undo, Field(discriminator="kind")]


class Decision(Frozen):
    """One act: who did what to which incident, when."""

    id: Name = Field(default_factory=lambda: uuid4().hex, description="the same when the same act is sent again")
    incident: Name
    act: Act
    by: Name = Field(description="who, as the dashboard's proxy or the command line knows them")
    at: Moment | None = Field(
        None, description="when, by the writer's clock; readers order acts by Kafka's time of the record"
    )
