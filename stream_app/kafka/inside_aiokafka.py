"""What this program needs of aiokafka that has no public name: the one module that touches its private attributes.

Read in aiokafka 0.14.0 (``READ_IN``); ``tests/stream_app/kafka/test_inside.py`` fails when the installed library is
another or one of these is gone. Each function says what it stands for. Of the generation in transactional commits
(KIP-447) and of leaving a group as a static member (KIP-345) aiokafka has no issue that we found; other clients took
them up in apache/kafka#7897 and dpkp/kafka-python#2625. A rack to read from came with aio-libs/aiokafka#1159.
"""
# ruff: noqa: SLF001

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition, conn
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.structs import OffsetAndMetadata

READ_IN = "0.14.0"

Send = Callable[..., Awaitable[Any]]


def client_of(consumer: AIOKafkaConsumer) -> Any:
    """The connection pool of a consumer; a producer's is public, as ``producer.client``."""
    return consumer._client


def member_of(consumer: AIOKafkaConsumer) -> tuple[int, str]:
    """The generation of its group and the id under which it is a member, as of the last assignment."""
    coordinator = consumer._coordinator
    return coordinator.generation, coordinator.member_id


def leave_on_stop(consumer: AIOKafkaConsumer) -> None:
    """Make a static member leave its group when it stops, so that the others take over at once.

    aiokafka keeps a static member in the group on close, as KIP-345 has it for a restart.
    """
    consumer._coordinator._group_instance_id = None


def rejoin(consumer: AIOKafkaConsumer) -> None:
    """Join the group anew, as when the topics have changed."""
    consumer._coordinator.request_rejoin()


def wait_for_more(consumer: AIOKafkaConsumer, wait_ms: int) -> None:
    """How long Kafka may wait until a fetch is worth its answer, from the next fetch on."""
    consumer._fetcher._fetch_max_wait_ms = wait_ms


async def _step(self: Any, payload: bytes | None) -> tuple[bytes, bool] | None:
    if not self._token_sent:
        answer: tuple[bytes, bool] = await _plain_step(self, payload)
        return answer
    refused, self._refusal_taken = bool(payload) and not getattr(self, "_refusal_taken", False), True
    return (b"\x01", True) if refused else None


_plain_step = conn.OAuthAuthenticator.step


def hear_refusals() -> None:
    """Make aiokafka notice when a broker refuses its token.

    A refusal comes as a challenge that the client must answer (RFC 7628, 3.2.3) before the broker says so with an
    error. aiokafka 0.14 takes the challenge for a welcome and fails at its next request, with another error each time.
    """
    conn.OAuthAuthenticator.step = _step


async def _fetch(self: Any, *request: Any) -> bool:
    try:
        needs_wakeup: bool = await _plain_fetch(self, *request)
    except asyncio.CancelledError:
        return False
    return needs_wakeup


_plain_fetch = Fetcher._proc_fetch_request


def close_in_peace() -> None:
    """Let a consumer be closed while Kafka is away.

    Then its fetches wait to be tried again. To close it aiokafka 0.14 cancels and awaits them, and lets the
    cancellation out of one that waited so: what comes after is left undone, and Faust waits a minute for its thread.
    """
    Fetcher._proc_fetch_request = _fetch


def position_now(consumer: AIOKafkaConsumer, partition: TopicPartition) -> int:
    """The offset that is read next; -1 while none is known. ``consumer.position()`` would wait for one."""
    assigned = consumer._subscription.subscription
    if assigned is None or assigned.assignment is None or partition not in assigned.assignment.tps:
        return -1
    state = assigned.assignment.state_value(partition)
    return int(state.position) if state.has_valid_position else -1


async def committed_with_metadata(consumer: AIOKafkaConsumer, partition: TopicPartition) -> OffsetAndMetadata | None:
    """What the consumer's group has committed of an assigned partition; ``consumer.committed()`` hides the metadata."""
    found = await consumer._coordinator.fetch_committed_offsets([partition])
    kept: OffsetAndMetadata | None = found.get(partition)
    return kept


async def partitions_of(consumer: AIOKafkaConsumer, topic: str) -> Iterable[int]:
    """The numbers of a topic's partitions, asked of Kafka where they are not known yet."""
    numbers: Iterable[int] = await consumer._client._wait_on_metadata(topic)
    return numbers


def read_committed(consumer: AIOKafkaConsumer) -> None:
    """Read committed records only; for a consumer that another library has made and not yet started."""
    consumer._isolation_level = "read_committed"


def read_near(consumer: AIOKafkaConsumer, rack: str) -> None:
    """Read from a replica of ``rack`` where there is one; for a consumer as above."""
    consumer._client_rack = rack


async def close_unflushed(producer: AIOKafkaProducer) -> None:
    """Close a producer whose pending batches can no longer be delivered, without waiting for them."""
    await producer._sender.close()
    await producer.client.close()
    producer._closed = True


def failure_of(producer: AIOKafkaProducer) -> BaseException | None:
    """Why the producer can do no more; None where it can. Later errors only say "not in a transaction"."""
    task = producer._sender.sender_task
    return task.exception() if task.done() and not task.cancelled() else None


def end_of_transaction(producer: AIOKafkaProducer) -> asyncio.Future[Any] | None:
    """What is awaited until the present transaction has ended."""
    end: asyncio.Future[Any] | None = producer._txn_manager.wait_for_transaction_end()
    return end


def waits_for_room(producer: AIOKafkaProducer) -> list[asyncio.Future[Any]]:
    """What is awaited until a batch that lies unsent makes room; of a failed producer each holds its error."""
    queues = producer._message_accumulator._batches.values()
    return [batch._drain_waiter for batches in queues for batch in batches]


class OffsetFetch(NamedTuple):
    """The fields of a plain offset fetch request."""

    group: str
    topics: list[tuple[str, list[int]]]


def offset_fetch(request: Any) -> OffsetFetch:
    """What an ``OffsetFetchRequest`` asks for."""
    return OffsetFetch(request._consumer_group, list(request._partitions or ()))


class TxnOffsetCommit(NamedTuple):
    """The fields of a plain transactional offset commit request."""

    transactional_id: str
    group: str
    producer_id: int
    producer_epoch: int
    topics: list[tuple[str, list[tuple[int, int, str]]]]


def txn_offset_commit(request: Any) -> TxnOffsetCommit:
    """What a ``TxnOffsetCommitRequest`` commits."""
    return TxnOffsetCommit(
        request._transactional_id, request._group_id, request._producer_id, request._producer_epoch, request._topics
    )
