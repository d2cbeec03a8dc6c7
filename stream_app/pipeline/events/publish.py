"""An event becomes Kafka records: CloudEvents 1.0, Kafka protocol binding, binary content mode.

https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
The headers are written here and not by the SDK, which takes longer per event than everything else about it; the tests
hold them equal to the SDK's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from stream_app.pipeline.events.build import Made
from stream_app.pipeline.events.event import EVENT_TYPE, WITHDRAWN_TYPE

SOURCE = "/crisis-stream/posts"
WITHDRAWALS = "/crisis-stream/withdrawals"
"""A withdrawal has the id of the event it takes back, and a source of its own: the two together are unique."""

Headers = Sequence[tuple[str, bytes]]

_FIXED_HEADERS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", EVENT_TYPE.encode()),
    ("ce_source", SOURCE.encode()),
    ("content-type", b"application/json"),
)
_FIXED_OF_WITHDRAWALS = (
    ("ce_specversion", b"1.0"),
    ("ce_type", WITHDRAWN_TYPE.encode()),
    ("ce_source", WITHDRAWALS.encode()),
    ("content-type", b"application/json"),
)


class Record(NamedTuple):
    """One Kafka record to be sent."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers


def event_headers(name: str, time: str, subject: str, *, withdraws: bool = False) -> list[tuple[str, bytes]]:
    """The CloudEvents attributes as Kafka headers: the event's id, its time and ``network/post id``."""
    return [
        *(_FIXED_OF_WITHDRAWALS if withdraws else _FIXED_HEADERS),
        ("ce_id", name.encode()),
        ("ce_time", time.encode()),
        ("ce_subject", subject.encode("utf-8", "replace")),
    ]


def event_records(event: Made, topics: Sequence[str]) -> list[Record]:
    """One record per topic, keyed by the root post's id so that reposts follow their root."""
    headers = event_headers(event.id, event.time, event.subject, withdraws=event.withdraws)
    key = event.key.encode()
    return [Record(topic, key, event.value, headers) for topic in topics]
