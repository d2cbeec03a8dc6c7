"""The worker's options become settings, checked as all settings are."""

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from stream_app.cli.worker import command, with_options
from stream_app.settings import Settings


def test_options_win_and_the_rest_stays():
    base = Settings(kafka={"session_timeout_s": 7})
    settings = with_options(base, bootstrap="kafka:1", prefix="p.", group="g", replica="r", model="fixed", http_port=0)
    assert settings.kafka.bootstrap_servers == "kafka:1"
    assert settings.kafka.session_timeout_s == 7
    assert (settings.topics.posts, settings.worker.group_id, settings.worker.replica) == ("p.posts", "g", "r")
    assert (settings.model.source, settings.worker.http_port) == ("fixed", 0)


def test_no_options_change_nothing():
    base = Settings()
    assert with_options(base) == base


def test_a_wrong_option_is_refused():
    with pytest.raises(ValidationError):
        with_options(Settings(), http_port=70_000)


def test_help_names_every_option():
    said = CliRunner().invoke(command, ["--help"]).output
    for option in ("--bootstrap", "--prefix", "--group", "--replica", "--model", "--http-port", "--once-idle"):
        assert option in said
