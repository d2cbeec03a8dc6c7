"""JSON Schema (draft 2020-12) of what each topic holds."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from stream_app.decisions.act import Decision
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident
from stream_app.pipeline.events.dead_letter import MAX_ERROR, PREFIX, STAGES
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.post import Post

DIALECT = "https://json-schema.org/draft/2020-12/schema"

MODELS: dict[str, type[BaseModel]] = {
    "events": Event,
    "posts": Post,
    "incidents": Incident,
    "emerging": Emerging,
    "feedback": Verdict,
    "decisions": Decision,
}
"""The model of each topic's value. ``posts`` is our own format; docs/formats.md has the others it may hold."""

SCHEMAS = (*MODELS, "dead-letters")

_WRITTEN_BY_USERS = frozenset({"posts", "feedback", "decisions"})


def mode_of(topic: str) -> Literal["validation", "serialization"]:
    """What we read may leave out whatever has a default; what we write has every field."""
    return "validation" if topic in _WRITTEN_BY_USERS else "serialization"


def json_schema(topic: str) -> dict[str, Any]:
    """The schema of one topic's values, of its headers for ``dead-letters``; ``topic`` is one of :data:`SCHEMAS`."""
    if topic == "dead-letters":
        return {"$schema": DIALECT, **dead_letter_headers()}
    return {"$schema": DIALECT, **relaxed(topic, MODELS[topic].model_json_schema(mode=mode_of(topic)))}


def relaxed(topic: str, schema: dict[str, Any]) -> dict[str, Any]:
    """A post may leave ``root_id`` out: reading it fills in ``id`` (:mod:`stream_app.pipeline.posts.own`)."""
    if topic != "posts":
        return schema
    return {**schema, "required": [name for name in schema["required"] if name != "root_id"]}


def dead_letter_headers() -> dict[str, Any]:
    """The Kafka headers of a dead letter, as strings; its key, value and other headers are the original's."""
    described: dict[str, dict[str, Any]] = {
        "stage": {"enum": list(STAGES), "description": "the step that failed"},
        "error": {"maxLength": MAX_ERROR, "description": "one plain sentence"},
        "attempts": {"pattern": "^[0-9]+$", "description": "how often it has failed, re-drives included"},
        "program": {"description": "version of crisis-stream"},
        "model": {"description": "model that was asked; empty before the model"},
        "topic": {"description": "where it came from"},
        "partition": {"pattern": "^[0-9]+$"},
        "offset": {"pattern": "^[0-9]+$"},
        "first": {"description": "where it stood when it first failed, as topic:partition:offset"},
        "time": {"format": "date-time"},
    }
    return {
        "title": "DeadLetterHeaders",
        "description": "Kafka headers of a dead letter. The key, value and other headers are the original message's.",
        "type": "object",
        "required": [PREFIX + name for name in described],
        "properties": {PREFIX + name: {"type": "string", **rest} for name, rest in described.items()},
    }
