"""The private parts of aiokafka and Faust that this program touches are there, in the versions they were read in."""

import asyncio
import inspect
from importlib.metadata import version
from types import SimpleNamespace

import faust
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.errors import NodeNotReadyError
from aiokafka.protocol.commit import OffsetFetchRequest
from aiokafka.protocol.transaction import TxnOffsetCommitRequest
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver

from stream_app.incidents.app import build_app
from stream_app.kafka import inside_aiokafka, inside_faust
from stream_app.settings import KafkaSettings, Settings


@pytest.mark.parametrize(("package", "module"), [("aiokafka", inside_aiokafka), ("faust-streaming", inside_faust)])
def test_the_library_is_the_one_that_was_read(package, module):
    assert version(package) == module.READ_IN, f"read {module.__name__} beside the new {package}, then raise READ_IN"


async def test_a_consumer_has_what_is_used_of_it():
    consumer = AIOKafkaConsumer(group_id="g", group_instance_id="r0")
    assert inside_aiokafka.client_of(consumer).send
    inside_aiokafka.read_committed(consumer)
    assert consumer._isolation_level == "read_committed"
    assert consumer._client_rack is None
    inside_aiokafka.read_near(consumer, "b")
    assert consumer._client_rack == "b"
    assert "client_rack=self._client_rack" in inspect.getsource(AIOKafkaConsumer.start)
    assert inside_aiokafka.position_now(consumer, TopicPartition("t", 0)) == -1
    source = inspect.getsource(AIOKafkaConsumer)
    assert "_coordinator = GroupCoordinator(" in source
    assert "_fetcher = Fetcher(" in source
    assert hasattr(inside_aiokafka.client_of(consumer), "_wait_on_metadata")


def test_the_parts_that_exist_only_after_a_start_are_named_as_before():
    from aiokafka.consumer.group_coordinator import GroupCoordinator
    from aiokafka.producer.sender import Sender
    from aiokafka.producer.transaction_manager import TransactionManager

    assert "self._fetch_max_wait_ms" in inspect.getsource(
        Fetcher._make_fetch_request if hasattr(Fetcher, "_make_fetch_request") else Fetcher
    )
    coordinator = inspect.getsource(GroupCoordinator)
    used = (
        "self._group_instance_id",
        "self.generation",
        "self.member_id",
        "async def fetch_committed_offsets(self, partitions)",
        "def request_rejoin(self)",
    )
    assert all(name in coordinator for name in used)
    assert isinstance(Sender.sender_task, property)
    assert TransactionManager.wait_for_transaction_end


async def test_a_producer_has_what_is_used_of_it():
    producer = AIOKafkaProducer(transactional_id="t")
    assert producer._sender.close
    assert producer._closed is False
    assert producer._txn_manager.wait_for_transaction_end
    assert producer.client.send
    producer._closed = True


async def test_a_fetch_that_waits_to_be_tried_again_can_be_cancelled():
    """A consumer that is closed awaits it."""
    inside_aiokafka.close_in_peace()
    asked = asyncio.Event()

    async def send(*_):
        asked.set()
        raise NodeNotReadyError

    fetcher = SimpleNamespace(
        _client=SimpleNamespace(send=send),
        _retry_backoff=60,
        _invalidate_preferred_read_replica_for_node=lambda *_: None,
    )
    fetching = asyncio.create_task(Fetcher._proc_fetch_request(fetcher, None, 1, None))
    await asked.wait()
    await asyncio.sleep(0)
    fetching.cancel()
    assert await fetching is False


async def test_what_waits_behind_an_unsent_batch_of_a_failed_producer_is_found():
    """It holds the error that everybody was told of; asyncio would log it as never retrieved."""
    producer = AIOKafkaProducer(bootstrap_servers="127.0.0.1:1")
    kept = producer._message_accumulator
    sent = await kept.add_message(TopicPartition("t", 0), b"k", b"v", timeout=1)
    kept.fail_all(ValueError("fenced"))
    (waits,) = inside_aiokafka.waits_for_room(producer)
    assert isinstance(waits.exception(), ValueError)
    assert isinstance(sent.exception(), ValueError)
    producer._closed = True


async def test_a_refused_token_is_answered_so_that_the_broker_says_so():
    class Tokens(AbstractTokenProvider):
        async def token(self):
            return "t"

    inside_aiokafka.hear_refusals()
    for challenge, answers in ((b"", []), (b'{"status": "invalid_token"}', [(b"\x01", True)])):
        login = OAuthAuthenticator(sasl_oauth_token_provider=Tokens())
        assert await login.step(None) == (b"n,,\x01auth=Bearer t\x01\x01", True)
        assert [answer async for answer in _steps(login, challenge)] == answers


async def _steps(login, challenge):
    while (answer := await login.step(challenge)) is not None:
        yield answer


def test_requests_tell_what_they_ask():
    fetch = inside_aiokafka.offset_fetch(OffsetFetchRequest("group", [("topic", [0, 1])]))
    assert fetch == ("group", [("topic", [0, 1])])
    commit = TxnOffsetCommitRequest(
        transactional_id="t", group_id="g", producer_id=7, producer_epoch=1, topics=[("topic", [(0, 5, "")])]
    )
    assert inside_aiokafka.txn_offset_commit(commit) == ("t", "g", 7, 1, [("topic", [(0, 5, "")])])
    assert OffsetAndMetadata(5, "") == (5, "")


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (driver.AIOKafkaConsumerThread, "_create_worker_consumer"),
        (driver.AIOKafkaConsumerThread, "_ensure_consumer"),
        (driver.AIOKafkaConsumerThread, "seek_to_committed"),
        (driver.Consumer, "_new_consumer_thread"),
        (driver.Transport, "_create_topic"),
        (faust.Table, "partition_for_key"),
        (faust.App, "_create_directories"),
        (faust.App, "flow_control"),
    ],
)
def test_what_is_overridden_in_faust_is_there_to_be_overridden(owner, name):
    assert hasattr(owner, name), f"{owner.__name__}.{name} is gone: read inside_faust.py again"


async def test_fausts_consumer_reads_from_the_rack_of_the_settings():
    for rack in ("eu-west-1b", None):
        app = build_app(Settings(kafka=KafkaSettings(client_rack=rack)))
        owner = app.transport.Consumer(app.transport, print, print, print)
        consumer = owner._new_consumer_thread()._create_worker_consumer(app.transport)
        assert (consumer._client_rack, consumer._isolation_level) == (rack, "read_committed")
