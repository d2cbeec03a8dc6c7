"""An event becomes Kafka records: CloudEvents 1.0, Kafka protocol binding, binary content mode.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
The headers are written here and not by the SDK, which takes longer per event than everything else about it; the tests
hold them equal to the SDK's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pydantic_core import to_json

from stream_app.events.event import EVENT_TYPE
from stream_app.posts.facts import Fields

SOURCE = "/crisis-stream/posts"

Headers = Sequence[tuple[str, bytes]]

_FIXED_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", EVENT_TYPE.encode()),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/json"),
)


class Record(NamedTuple):
    """One Kafka record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def event_headers(event: Fields) -> list[tuple[str, bytes]]:
    """The CloudEvents attributes as Kafka headers; the subject is ``network/post id``."""
    post = event["post"]
    return [
        *_FIXED_HEADERS,
        ("ce_id", event["id"].encode()),
        ("ce_time", event["timings"]["produced_at"].encode()),
        ("ce_subject", f"{post['network']}/{post['id']}".encode()),
    ]


def event_records(event: Fields, topics: Sequence[str]) -> list[Record]:
    """One record per topic, serialised once, keyed by the root post's id so that reposts follow their root.

    ``event`` is plain data; see :func:`stream_app.events.build.event_fields`.
    """
    key, value, headers = event["post"]["root_id"].encode(), to_json(event, inf_nan_mode="null"), event_headers(event)
    return [Record(topic, key, value, headers) for topic in topics]
