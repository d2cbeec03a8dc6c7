"""What labelling found for a post, as its events share it."""

from __future__ import annotations

from dataclasses import fields

import orjson

from model.scorer import CONCEPTS, ConceptScore, Explanation, ModelInfo, Scored
from stream_app.pipeline.labelling.describe import describe
from stream_app.pipeline.posts.parse import parse_post

POST = b'{"network": "other", "id": "1", "created_at": "2026-03-01T05:30:00Z", "text": "The bridge is gone"}'


def test_an_events_labels_have_every_field_of_a_score():
    labels = {concept: ConceptScore("a", 0.75, {"a": 0.75, "b": 0.25}, "a reason") for concept in CONCEPTS}
    found = describe(parse_post(POST), (), Scored(labels, Explanation((), {}, {})), ModelInfo("m", "1", "0"))
    for written in orjson.loads(b"{" + found.shared + b"}")["labels"].values():
        assert list(written) == [field.name for field in fields(ConceptScore)]
