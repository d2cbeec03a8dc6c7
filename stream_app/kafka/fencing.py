"""Two requests that aiokafka 0.14 sends in versions too old to be safe, sent as KIP-447 asks.

1. Offsets committed in a transaction carry the group generation they belong to. A worker that stalled, lost its
   partitions and woke up is refused by the broker, whatever its clock says.
2. Who takes a partition over waits until no transaction on its offsets is pending. Otherwise it would read the offset
   from before a commit that is decided but not yet written, and label those posts again.

Without these a worker would have to trust that timeouts expire in the right order; brokers look at them every 10 s.
https://cwiki.apache.org/confluence/display/KAFKA/KIP-447
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import BrokerResponseError
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.commit import OffsetFetchRequest, OffsetFetchResponse_v3
from aiokafka.protocol.transaction import TxnOffsetCommitRequest, TxnOffsetCommitResponse_v0
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

from stream_app.kafka.inside_aiokafka import Send, client_of, offset_fetch, txn_offset_commit

UNSTABLE_OFFSET_COMMIT = 88

_TEXT = CompactString("utf-8")


class UnstableOffsetCommitError(BrokerResponseError):
    """A transaction on the partition's offsets is still pending; ask again in a moment."""

    errno = UNSTABLE_OFFSET_COMMIT
    message = "UNSTABLE_OFFSET_COMMIT"
    description = "A transaction on the partition's offsets is still pending."
    retriable = True


@dataclass
class Membership:
    """This worker's place in its group, as of the last assignment, and the offsets it was handed."""

    generation: int = -1
    member_id: str = ""
    committed: dict[TopicPartition, tuple[int, str]] = field(default_factory=dict)


class _OffsetFetchResponse(Response):
    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class _OffsetFetchStruct(RequestStruct):
    API_KEY = 9
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _OffsetFetchResponse
    SCHEMA = Schema(
        ("group_id", _TEXT),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields))),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class _StableOffsetFetch(Request[_OffsetFetchStruct]):
    API_KEY = 9

    def __init__(self, plain: OffsetFetchRequest) -> None:
        self._plain = plain

    def build(self, request_struct_class: type[_OffsetFetchStruct]) -> _OffsetFetchStruct:
        plain = offset_fetch(self._plain)
        topics: list[Any] = [(topic, partitions, {}) for topic, partitions in plain.topics]
        return request_struct_class(plain.group, topics, True, {})


class _TxnOffsetCommitResponse(Response):
    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _TxnOffsetCommitStruct(RequestStruct):
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _TxnOffsetCommitResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class _FencedTxnOffsetCommit(Request[_TxnOffsetCommitStruct]):
    API_KEY = 28

    def __init__(self, plain: TxnOffsetCommitRequest, membership: Membership) -> None:
        self._plain, self._membership = plain, membership

    def build(self, request_struct_class: type[_TxnOffsetCommitStruct]) -> _TxnOffsetCommitStruct:
        plain, mine = txn_offset_commit(self._plain), self._membership
        topics: list[Any] = [
            (topic, [(partition, offset, -1, metadata, {}) for partition, offset, metadata in partitions], {})
            for topic, partitions in plain.topics
        ]
        return request_struct_class(
            plain.transactional_id,
            plain.group,
            plain.producer_id,
            plain.producer_epoch,
            mine.generation,
            mine.member_id,
            None,
            topics,
            {},
        )


def read_stable_offsets(consumer: AIOKafkaConsumer, membership: Membership) -> None:
    """Make ``consumer`` wait for pending transactions when it asks for offsets, and keep their metadata."""
    client = client_of(consumer)
    plain_send: Send = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        if not isinstance(request, OffsetFetchRequest):
            return await plain_send(node_id, request, **options)
        answer = await plain_send(node_id, _StableOffsetFetch(request), **options)
        topics: list[tuple[str, list[tuple[int, int, str, int]]]] = [(topic, []) for topic, _, _ in answer.topics]
        for (topic, plain), (_, partitions, _) in zip(topics, answer.topics, strict=True):
            for partition, offset, _, metadata, error, _ in partitions:
                if error == UNSTABLE_OFFSET_COMMIT:
                    raise UnstableOffsetCommitError
                membership.committed[TopicPartition(topic, partition)] = (offset, metadata or "")
                plain.append((partition, offset, metadata or "", error))
        return OffsetFetchResponse_v3(answer.throttle_time_ms, topics, answer.error_code)

    client.send = send


def commit_as_member(producer: AIOKafkaProducer, membership: Membership) -> None:
    """Make ``producer`` say for which generation of the group it commits offsets."""
    client = producer.client
    plain_send: Send = client.send

    async def send(node_id: int, request: Any, **options: Any) -> Any:
        if not isinstance(request, TxnOffsetCommitRequest):
            return await plain_send(node_id, request, **options)
        answer = await plain_send(node_id, _FencedTxnOffsetCommit(request, membership), **options)
        errors = [(topic, [(p, error) for p, error, _ in partitions]) for topic, partitions, _ in answer.errors]
        return TxnOffsetCommitResponse_v0(answer.throttle_time_ms, errors)

    client.send = send
