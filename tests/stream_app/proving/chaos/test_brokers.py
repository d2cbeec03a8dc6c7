"""Short and long forms of the programs that kill brokers and widen the feed."""

import asyncio
import subprocess
import sys

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.kafka.broker import LocalCluster
from stream_app.kafka.clients import consumer_options
from stream_app.kafka.topics import ensure_topics
from stream_app.proving.chaos.feeder import feed, numbered
from stream_app.settings import KafkaSettings, Settings

pytestmark = pytest.mark.kafka


def run(logs, *arguments, bootstrap=None):
    where = ["--bootstrap", bootstrap] if bootstrap else []
    done = subprocess.run(
        [sys.executable, "-m", "stream_app", "chaos", *where, "--logs", str(logs), *arguments],
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    assert "nothing lost, nothing twice" in done.stdout


@pytest.mark.long  # as below
async def test_a_reader_takes_the_replica_of_its_rack(tmp_path):
    with LocalCluster(tmp_path) as cluster:
        kafka = KafkaSettings(bootstrap_servers=cluster.bootstrap_servers, replication_factor=3)
        settings = Settings(kafka=kafka)
        await ensure_topics(settings)
        await feed(settings, numbered(range(200)))
        partitions = [TopicPartition(settings.topics.posts, number) for number in range(kafka.partitions)]
        for node in cluster.brokers:
            near = kafka.model_copy(update={"client_rack": f"rack-{node}"})
            async with AIOKafkaConsumer(**consumer_options(near), auto_offset_reset="earliest") as consumer:
                consumer.assign(partitions)
                read = 0
                async with asyncio.timeout(60):
                    while read < 200 or {consumer._fetcher._select_read_replica(each) for each in partitions} != {node}:
                        read += sum(map(len, (await consumer.getmany(timeout_ms=200)).values()))
                assert read == 200


def test_short_widen(broker, tmp_path):
    run(tmp_path, "widen", "--posts", "1000", "--noticed-s", "0.5", bootstrap=broker.bootstrap_servers)


@pytest.mark.long  # three brokers take half a minute to start and to find one another again
def test_three_brokers(tmp_path):
    run(tmp_path, "three-brokers", "--posts", "1500", "--rounds", "1")
