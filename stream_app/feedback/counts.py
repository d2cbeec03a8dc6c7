"""Counts of verdicts: how often analysts agreed with a model's labels, and what they corrected to what. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from pydantic import Field

from model.scorer import Concept
from stream_app.feedback.verdict import Verdict
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.post import Frozen


class Kind(Frozen):
    """What is counted apart: one task of one model, the label it gave, and the one the analyst gave.

    ``model`` is None where Kafka no longer had the event when its verdict came; ``given`` then is None too.
    """

    concept: Concept
    model: str | None = Field(description="name and version")
    given: str | None = Field(description="the model's label; None also where the task did not apply")
    right: str = Field(description="the analyst's label")

    @property
    def agrees(self) -> bool:
        """Whether the analyst confirmed the label."""
        return self.given == self.right


class VerdictCount(Kind):
    """A kind and how many verdicts are of it; of one analyst on one event only the latest counts."""

    count: int = Field(ge=0)


class Entry(Frozen):
    """One analyst's verdict on one event; ``kinds`` is None until the event was looked up."""

    verdict: Verdict
    kinds: tuple[Kind, ...] | None = None


def resolved(verdict: Verdict, event: Event | None) -> Entry:
    """The entry of a verdict whose event was found, or is gone."""
    model = None if event is None else f"{event.model.name} {event.model.version}"
    return Entry(
        verdict=verdict,
        kinds=tuple(
            Kind(
                concept=concept,
                model=model,
                given=None if event is None else getattr(event.labels, concept).label,
                right=right,
            )
            for concept, right in verdict.labels.items()
        ),
    )


def count(entries: Iterable[Entry]) -> Counter[Kind]:
    """How many verdicts are of each kind; those not yet looked up are left out."""
    return Counter(kind for entry in entries for kind in entry.kinds or ())


def differences(counts: Mapping[Kind, int], written: Mapping[bytes, bytes]) -> Iterator[tuple[bytes, bytes | None]]:
    """What to write so that a table holds these counts: key and value, None to delete it."""
    wanted = {
        kind.model_dump_json().encode(): VerdictCount(**kind.model_dump(), count=n).model_dump_json().encode()
        for kind, n in counts.items()
    }
    for key, value in wanted.items():
        if written.get(key) != value:
            yield key, value
    for key in written.keys() - wanted.keys():
        yield key, None
