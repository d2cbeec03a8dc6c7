"""Settings come from arguments, environment and file, in that order, and never show a secret."""

import os

import pytest
from pydantic import ValidationError

from stream_app.settings import KafkaSettings, Settings, TopicSettings


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("CRISIS_STREAM_"):
            monkeypatch.delenv(name)


def test_environment_reaches_a_section(monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", "kafka.example:9093")
    assert Settings().kafka.bootstrap_servers == "kafka.example:9093"


def test_environment_wins_over_the_file(tmp_path, monkeypatch):
    (tmp_path / "crisis-stream.toml").write_text('[topics]\nprefix = "file."\n[labelling]\nbatch_size = 7\n')
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", "environment.")
    settings = Settings()
    assert settings.topics.posts == "environment.posts"
    assert settings.labelling.batch_size == 7


def test_what_kubernetes_sets_for_a_service_is_no_setting(monkeypatch):
    before = Settings()
    monkeypatch.setenv("CRISIS_STREAM_REDIS_PORT", "tcp://10.0.0.1:6379")
    assert Settings() == before


def test_an_argument_wins_over_the_environment(monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", "environment.")
    assert Settings(topics=TopicSettings(prefix="argument.")).topics.events == "argument.events"


@pytest.mark.parametrize("section", ["kafka", "media", "labelling", "worker"])
def test_a_misspelt_setting_is_an_error(tmp_path, section):
    (tmp_path / "crisis-stream.toml").write_text(f"[{section}]\nmisspelt = 1\n")
    with pytest.raises(ValidationError, match=f"{section}.misspelt"):
        Settings()


def test_secrets_print_as_stars():
    kafka = KafkaSettings(sasl_password="hunter2", ssl_key_password="hunter3")
    shown = f"{kafka!r} {kafka} {kafka.model_dump()} {kafka.model_dump_json()}"
    assert "hunter" not in shown


@pytest.mark.parametrize("given", [{}, {"sasl_username": "u"}, {"sasl_password": "hunter2"}])
def test_sasl_needs_user_and_password_and_says_so_without_showing_either(given):
    with pytest.raises(ValidationError, match=r"needs kafka.sasl_username, and the password in CRISIS_STREAM") as error:
        KafkaSettings(security_protocol="SASL_SSL", **given)
    assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sasl_mechanism": "OAUTHBEARER"}, "needs either kafka.token_command or kafka.token_file"),
        ({"sasl_mechanism": "OAUTHBEARER", "token_command": "a", "token_file": "b"}, "needs either"),
        ({"sasl_mechanism": "AWS_MSK_IAM"}, "needs kafka.aws_region, and SASL_SSL"),
        ({"sasl_mechanism": "AWS_MSK_IAM", "aws_region": "eu-west-1", "security_protocol": "SASL_PLAINTEXT"},
         "needs kafka.aws_region, and SASL_SSL"),
    ],
)  # fmt: skip
def test_a_login_by_token_says_what_it_needs(given, said):
    with pytest.raises(ValidationError, match=said):
        KafkaSettings(**{"security_protocol": "SASL_SSL", **given})


def test_a_rejected_section_is_not_shown(monkeypatch):
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__SASL_PASSWORD", "hunter2")
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__PARTITIONS", "hunter3")
    with pytest.raises(ValidationError, match=r"kafka.partitions") as error:
        Settings()
    assert "hunter" not in str(error.value)


def test_settings_cannot_change():
    with pytest.raises(ValidationError, match="frozen"):
        Settings().kafka.bootstrap_servers = "elsewhere"


def test_a_stalled_transaction_ends_before_the_session_does():
    kafka = KafkaSettings()
    assert kafka.transaction_timeout_s < kafka.session_timeout_s


def test_every_topic_carries_the_prefix():
    topics = TopicSettings(prefix="replay.")
    names = [
        topics.posts,
        topics.events,
        topics.alerts("damage"),
        topics.incidents,
        topics.dead_letters,
        topics.feedback,
    ]
    assert names == [
        "replay.posts",
        "replay.events",
        "replay.alerts.damage",
        "replay.incidents",
        "replay.dead-letters",
        "replay.feedback",
    ]
