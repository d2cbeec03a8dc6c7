"""The verdict: what an analyst says the labels of one event should have been."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from model.scorer import CONCEPTS, LABELS, Concept
from stream_app.pipeline.posts.moment import Moment
from stream_app.pipeline.posts.post import Frozen

VERDICT_TYPE = "io.crisis-stream.event.judged.v1"


class Verdict(Frozen):
    """An analyst's judgement of an event; tasks left out of ``labels`` were not judged."""

    event: str = Field(min_length=1, description="id of the event")
    labels: dict[Concept, str] = Field(min_length=1, description="the right label of each task that was judged")
    analyst: str | None = None
    note: str | None = None
    at: Moment | None = Field(None, description="when it was given; Kafka's time of the record when left out")

    @model_validator(mode="after")
    def _known_labels(self) -> Self:
        for concept in CONCEPTS:
            label = self.labels.get(concept)
            if label is not None and label not in LABELS[concept]:
                raise ValueError(f"{label!r} is no label of {concept}: use one of {', '.join(LABELS[concept])}")
        return self
