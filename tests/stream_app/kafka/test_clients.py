"""Connection options carry TLS and SASL, keep secrets out of sight, and topics are made once."""

from __future__ import annotations

import ssl

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaConfigurationError, KafkaError

from model.scorer import CONCEPTS
from stream_app.kafka.clients import admin_client, client_options
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.kafka.topics import ensure_topics
from stream_app.settings import KafkaSettings


def test_plaintext_needs_only_the_address():
    options = client_options(KafkaSettings(bootstrap_servers="h:1"))
    assert options == {"bootstrap_servers": "h:1", "security_protocol": "PLAINTEXT"}


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
    expected = {topics.posts, topics.events, topics.incidents, topics.dead_letters, topics.feedback}
    expected |= {topics.alerts(task) for task in CONCEPTS}
    assert found.keys() == expected
    assert {len(each["partitions"]) for each in found.values()} == {2}


@pytest.mark.kafka
async def test_incidents_are_compacted_and_nothing_else_is(settings):
    topics = settings.topics
    names = (topics.incidents, topics.events, topics.posts, topics.dead_letters, topics.feedback)
    async with admin_client(settings.kafka) as admin:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names])
    policies = {
        name: value
        for answer in answers
        for _code, _message, _kind, name, entries in answer.resources
        for value in [next(entry[1] for entry in entries if entry[0] == "cleanup.policy")]
    }
    assert policies == dict.fromkeys(names, "delete") | {topics.incidents: "compact"}


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
