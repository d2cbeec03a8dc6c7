"""Connection options carry TLS and SASL, keep secrets out of sight, and topics are made once."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaConfigurationError, KafkaError

import stream_app
from model.scorer import CONCEPTS
from stream_app.kafka.clients import client_options, consumer_options, producer_options
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.kafka.topics import ensure_topics
from stream_app.settings import KafkaSettings


def test_plaintext_needs_only_the_address():
    options = client_options(KafkaSettings(bootstrap_servers="h:1"))
    assert options == {"bootstrap_servers": "h:1", "security_protocol": "PLAINTEXT", "metadata_max_age_ms": 20_000}


def test_a_consumer_says_where_it_stands_and_a_producer_how_it_packs():
    kafka = KafkaSettings(client_rack="eu-west-1b", compression="gzip", metadata_max_age_s=5)
    common = client_options(kafka)
    assert common["metadata_max_age_ms"] == 5000
    assert consumer_options(kafka) == {**common, "client_rack": "eu-west-1b"}
    assert producer_options(kafka) == {**common, "compression_type": "gzip"}
    assert producer_options(KafkaSettings(compression="none"))["compression_type"] is None


def test_every_client_of_this_program_is_made_with_the_settings():
    sources = [path for path in Path(stream_app.__file__).parent.rglob("*.py") if "bench" not in path.parts]
    made = [
        found
        for path in sources
        for found in re.findall(r"= (AIOKafka(?:Consumer|Producer)\(.*?[,)])", path.read_text(), re.DOTALL)
    ]
    assert len(made) > 5
    for each in made:
        wanted = "consumer" if "Consumer" in each else "producer"
        assert re.match(rf"AIOKafka\w+\(\s*\*\*({wanted}_)?options\b", each), each


def test_sasl_over_tls():
    kafka = KafkaSettings(
        security_protocol="SASL_SSL", sasl_mechanism="SCRAM-SHA-512", sasl_username="u", sasl_password="s3cret"
    )
    options = client_options(kafka)
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert options["ssl_context"].check_hostname
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "u")
    assert options["sasl_plain_password"] == "s3cret"
    assert "s3cret" not in repr(kafka) + kafka.model_dump_json()


@pytest.mark.parametrize(
    ("protocol", "tls", "sasl"),
    [("SSL", True, False), ("SASL_PLAINTEXT", False, True), ("SASL_SSL", True, True), ("PLAINTEXT", False, False)],
)
def test_each_protocol_gets_what_it_needs(protocol, tls, sasl):
    options = client_options(KafkaSettings(security_protocol=protocol, sasl_username="u", sasl_password="p"))
    assert ("ssl_context" in options) == tls
    assert ("sasl_mechanism" in options) == sasl


def test_a_certificate_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(KafkaConfigurationError, match=r"kafka.ssl_cafile = .*none.pem"):
        client_options(KafkaSettings(security_protocol="SSL", ssl_cafile=tmp_path / "none.pem"))


@pytest.mark.kafka
async def test_topics_are_made_once(settings):
    await ensure_topics(settings)  # a second time: the fixture made them
    topics = settings.topics
    admin = AIOKafkaAdminClient(**client_options(settings.kafka))
    await admin.start()
    try:
        found = {
            each["topic"]: each for each in await admin.describe_topics(None) if each["topic"].startswith(topics.prefix)
        }
    finally:
        await admin.close()
    expected = {topics.posts, topics.events, topics.incidents, topics.dead_letters, topics.feedback, topics.emerging}
    expected |= {topics.alerts(task) for task in CONCEPTS}
    sizes = {name: len(each["partitions"]) for name, each in found.items()}
    assert sizes == dict.fromkeys(expected, 2) | dict.fromkeys((topics.decisions, topics.notices), 1)


@pytest.mark.kafka
async def test_incidents_are_compacted_and_nothing_else_is(settings, configured):
    topics = settings.topics
    names = (topics.incidents, topics.events, topics.posts, topics.dead_letters, topics.feedback)
    policies = await configured(names, "cleanup.policy")
    assert policies == dict.fromkeys(names, "delete") | {topics.incidents: "compact"}


@pytest.mark.kafka
@pytest.mark.parametrize(("compression", "expected"), [("zstd", "zstd"), ("gzip", "gzip"), ("none", "producer")])
async def test_topics_are_packed_as_the_setting_says(settings, configured, compression, expected):
    mine = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"compression": compression}),
            "topics": settings.topics.model_copy(update={"prefix": f"{settings.topics.prefix}{compression}."}),
        }
    )
    await ensure_topics(mine)
    names = (mine.topics.posts, mine.topics.events, mine.topics.incidents)
    assert await configured(names, "compression.type") == dict.fromkeys(names, expected)


@pytest.mark.kafka
@pytest.mark.parametrize("compression", ["zstd", "lz4", "snappy", "gzip", "none"])
async def test_what_is_packed_each_way_is_read_again(settings, compression):
    kafka = settings.kafka.model_copy(update={"compression": compression})
    async with AIOKafkaProducer(**producer_options(kafka)) as producer:
        await producer.send_and_wait(settings.topics.feedback, b"packed " * 100, key=compression.encode())
    read = [each async for each in subscribe(settings, [settings.topics.feedback], since=EPOCH, until_end=True)]
    assert [(each.key, each.value) for each in read] == [(compression, b"packed " * 100)]


@pytest.mark.kafka
async def test_new_topics_answer_their_first_reader(settings, caplog):
    fresh = settings.model_copy(
        update={"topics": settings.topics.model_copy(update={"prefix": f"{settings.topics.prefix}fresh."})}
    )
    await ensure_topics(fresh)
    names = [fresh.topics.posts, fresh.topics.events, fresh.topics.incidents]
    found = [received async for received in subscribe(fresh, names, since=EPOCH, until_end=True)]
    assert found == []
    assert [record.getMessage() for record in caplog.records if record.levelname in {"WARNING", "ERROR"}] == []


@pytest.mark.kafka
async def test_a_refused_topic_is_named(settings):
    wide = settings.model_copy(
        update={
            "kafka": settings.kafka.model_copy(update={"replication_factor": 3}),
            "topics": settings.topics.model_copy(update={"prefix": f"{settings.topics.prefix}wide."}),
        }
    )
    with pytest.raises(KafkaError, match=r"topic '.*wide\.posts' was not created"):
        await ensure_topics(wide)
