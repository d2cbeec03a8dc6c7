"""One AsyncAPI 3.0 document of all topics: addresses, keys, headers and values, made from the models."""

from __future__ import annotations

from typing import Any

from pydantic.json_schema import models_json_schema

from model.scorer import CONCEPTS
from stream_app import __version__
from stream_app.decisions.act import DECISION_TYPE
from stream_app.incidents.emerging import EMERGING_TYPE
from stream_app.incidents.incident import INCIDENT_TYPE
from stream_app.pipeline.events.event import EVENT_TYPE, WITHDRAWN_TYPE
from stream_app.schema.examples import examples
from stream_app.schema.json_schema import MODELS, dead_letter_headers, mode_of, relaxed
from stream_app.settings import TopicSettings

VERSION = "3.0.0"

_CHANNELS = {
    "posts": ("Posts as their networks give them, or in our own format.", "anything; the value decides", "receive"),
    "events": ("Every labelled post, once, and what takes one back.", "id of the post's root", "send"),
    "alerts": (
        "Events that pass one task's alert rule, and what takes one back.",
        "id of the post's root",
        "send",
    ),
    "incidents": ("Posts that belong together, one updating entity each.", "id of the incident", "send"),
    "emerging": (
        "Words, places and photos whose rate bursts, before an incident has two authors.",
        "kind and term, as word:flood",
        "send",
    ),
    "dead-letters": ("What could not be processed, as it came.", "the original message's key", "send"),
    "feedback": ("Analysts' verdicts on events.", "id of the event", "receive"),
    "decisions": ("What people do with incidents, act by act: the audit trail.", "id of the incident", "send"),
}
"""Each channel's purpose, what its messages' key is, and what this program does with it."""


def asyncapi(topics: TopicSettings | None = None) -> dict[str, Any]:
    """The document, for topics of these names (the default prefix when none are given)."""
    topics = topics or TopicSettings()
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "crisis-stream",
            "version": __version__,
            "description": "Labels social-media posts about disasters as they stream through Kafka.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "kafka": {
                "host": "localhost:9092",
                "protocol": "kafka",
                "description": "Read with isolation.level=read_committed: output is written in transactions.",
            }
        },
        "channels": {name: _channel(name, topics) for name in _CHANNELS},
        "operations": {_operation(name): _operation_of(name) for name in _CHANNELS},
        "components": {"messages": _messages(), "schemas": _schemas()},
    }


def _addresses(topics: TopicSettings) -> dict[str, str]:
    return {
        "posts": topics.posts,
        "events": topics.events,
        "alerts": topics.alerts("{task}"),
        "incidents": topics.incidents,
        "emerging": topics.emerging,
        "dead-letters": topics.dead_letters,
        "feedback": topics.feedback,
        "decisions": topics.decisions,
    }


def _channel(name: str, topics: TopicSettings) -> dict[str, Any]:
    holds = ("events", _WITHDRAWALS) if name in ("events", "alerts") else (name,)
    channel: dict[str, Any] = {
        "address": _addresses(topics)[name],
        "description": _CHANNELS[name][0],
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in holds},
    }
    if name == "alerts":
        channel["parameters"] = {"task": {"enum": list(CONCEPTS), "description": "the task whose rule it passed"}}
    if name in ("incidents", "emerging"):
        channel["bindings"] = {
            "kafka": {"topicConfiguration": {"cleanup.policy": ["compact"]}, "bindingVersion": "0.5.0"}
        }
    return channel


def _operation(name: str) -> str:
    return f"{_CHANNELS[name][2]}-{name}"


def _operation_of(name: str) -> dict[str, Any]:
    return {"action": _CHANNELS[name][2], "channel": {"$ref": f"#/channels/{name}"}, "summary": _CHANNELS[name][0]}


def _messages() -> dict[str, Any]:
    shown = examples()
    messages = {name: _message(name, model.__name__, shown[name]) for name, model in MODELS.items()}
    taken = _message("events", "Event", shown[_WITHDRAWALS]) | {
        "name": "Withdrawal",
        "summary": "Takes back the event of the same id; an event with nothing in it.",
        "headers": _headers(WITHDRAWN_TYPE),
    }
    return messages | {_WITHDRAWALS: taken, "dead-letters": _dead_letter(shown["dead-letters"])}


def _message(name: str, model: str, example: dict[str, Any]) -> dict[str, Any]:
    message = {
        "name": model,
        "summary": _CHANNELS[name][0],
        "contentType": "application/json",
        "payload": {"$ref": f"#/components/schemas/{model}"},
        "bindings": _key(name),
        "examples": [{"name": model, "payload": example}],
    }
    if name in _EVENT_TYPES:
        message["headers"] = _headers(_EVENT_TYPES[name])
    return message


def _dead_letter(headers: dict[str, str]) -> dict[str, Any]:
    """Its value may be any bytes: that is often why it is here."""
    return {
        "name": "DeadLetter",
        "summary": _CHANNELS["dead-letters"][0],
        "contentType": "application/octet-stream",
        "headers": dead_letter_headers(),
        "bindings": _key("dead-letters"),
        "examples": [{"name": "DeadLetter", "headers": headers}],
    }


def _key(name: str) -> dict[str, Any]:
    return {"kafka": {"key": {"type": "string", "description": _CHANNELS[name][1]}, "bindingVersion": "0.5.0"}}


_WITHDRAWALS = "withdrawals"
_EVENT_TYPES = {"events": EVENT_TYPE, "incidents": INCIDENT_TYPE, "emerging": EMERGING_TYPE, "decisions": DECISION_TYPE}


def _headers(event_type: str) -> dict[str, Any]:
    """CloudEvents 1.0, Kafka protocol binding, binary content mode."""
    text = {"type": "string"}
    return {
        "type": "object",
        "required": ["ce_specversion", "ce_id", "ce_source", "ce_type"],
        "properties": {
            "ce_specversion": {**text, "const": "1.0"},
            "ce_id": {**text, "description": "the same when the same thing is sent again"},
            "ce_source": {**text, "format": "uri-reference"},
            "ce_type": {**text, "const": event_type},
            "ce_time": {**text, "format": "date-time"},
            "ce_subject": text,
            "content-type": {**text, "const": "application/json"},
        },
    }


def _schemas() -> dict[str, Any]:
    """Every model and all it is made of, by name; a model both read and written would need two names, none is."""
    wanted = [(model, mode_of(topic)) for topic, model in MODELS.items()]
    _, definitions = models_json_schema(wanted, ref_template="#/components/schemas/{model}")
    schemas: dict[str, Any] = definitions["$defs"]
    for topic, model in MODELS.items():
        schemas[model.__name__] = relaxed(topic, schemas[model.__name__])
    named: dict[str, Any] = _named_discriminators(dict(sorted(schemas.items())))
    return named


def _named_discriminators(node: Any) -> Any:
    """AsyncAPI wants a discriminator's name alone, where OpenAPI, and so pydantic, has an object."""
    if isinstance(node, list):
        return [_named_discriminators(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: value["propertyName"]
        if key == "discriminator" and isinstance(value, dict) and "propertyName" in value
        else _named_discriminators(value)
        for key, value in node.items()
    }
