"""What Kafka says of topics: the id that each was made with, and how many partitions it has.

A topic that is deleted and made anew has another id (KIP-516). aiokafka asks in versions too old to be told, so the
request is sent as Kafka 2.8 and newer understand it; of an older one nobody learns that a topic was made anew.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple

from aiokafka.errors import UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

_TEXT = CompactString("utf-8")
_METADATA, _VERSION = 3, 10


class Shape(NamedTuple):
    """A topic as it is: ``made`` is its id, in two halves of 64 bits."""

    made: tuple[int, int]
    partitions: int


class _Response(Response):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _TEXT), ("port", Int32), ("rack", _TEXT), ("tags", TaggedFields)),
        ),
        ("cluster_id", _TEXT),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _TEXT),
                ("id_high", Int64),
                ("id_low", Int64),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", CompactArray(Int32)),
                        ("isr", CompactArray(Int32)),
                        ("offline", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("operations", Int32),
        ("tags", TaggedFields),
    )


class _Struct(RequestStruct):
    API_KEY = _METADATA
    API_VERSION = _VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Response
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(("id_high", Int64), ("id_low", Int64), ("name", _TEXT), ("tags", TaggedFields)),
        ),
        ("allow_auto_topic_creation", Boolean),
        ("cluster_operations", Boolean),
        ("topic_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[_Struct]):
    API_KEY = _METADATA

    def __init__(self, topics: Collection[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_Struct]) -> _Struct:
        asked: list[Any] = [(0, 0, name, {}) for name in self._topics]
        return request_struct_class(asked, False, False, False, {})


async def shapes_of(client: Any, topics: Collection[str]) -> dict[str, Shape | None]:
    """The shape of each topic, asked through a client of aiokafka; None for one that is not there.

    Topics that this user may not see are left out.

    Raises:
        aiokafka.errors.KafkaError: Kafka is away.
        NotImplementedError: it is older than 2.8.
    """
    answer = await client.send(client.get_random_node(), _Metadata(topics))
    found: dict[str, Shape | None] = {}
    for error, name, high, low, _, partitions, *_ in answer.topics:
        if not error:
            found[name] = Shape((high, low), len(partitions))
        elif for_code(error) is UnknownTopicOrPartitionError:
            found[name] = None
    return found
