"""Options become settings, checked as all settings are; every command that talks to Kafka can be told where it is."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from pydantic import ValidationError

from stream_app.cli import COMMANDS, cli
from stream_app.cli.options import with_options
from stream_app.settings import Settings

NOWHERE = "127.0.0.1:1"
OF_THEIR_OWN = {"bench", "chaos"}  # their --bootstrap replaces a Kafka that they start, so it says something else
WITHOUT = {"feed", "label", "model", "broker", "demo", "schema"}
TALKING = sorted(COMMANDS.keys() - OF_THEIR_OWN - WITHOUT)


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


def bootstrap_of(name):
    return [param for param in cli.get_command(None, name).params if "--bootstrap" in param.opts]


@pytest.mark.parametrize("name", TALKING)
def test_commands_that_talk_to_kafka_share_one_option(name):
    (mine,), (workers,) = bootstrap_of(name), bootstrap_of("worker")
    assert (mine.metavar, mine.help) == (workers.metavar, workers.help)


@pytest.mark.parametrize("name", sorted({*TALKING} - {"replay"}))  # there it says where to, apart from the live topics
def test_commands_of_the_products_topics_share_the_prefix(name):
    (mine,) = [param for param in cli.get_command(None, name).params if "--prefix" in param.opts]
    assert "[default: crisis.]" in mine.help


@pytest.mark.parametrize("name", sorted(WITHOUT))
def test_commands_without_a_kafka_to_talk_to_have_none(name):
    assert bootstrap_of(name) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["worker"],
        ["watch", "--no-follow"],
        ["replay", "posts.jsonl", "--quiet"],
        ["incidents"],
        ["dead-letters", "list"],
        ["feedback", "list"],
        ["feedback", "counts"],
    ],
    ids=" ".join,
)
def test_the_option_wins_over_the_setting(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", "127.0.0.1:2")
    (tmp_path / "posts.jsonl").write_text("{}\n")
    name, *rest = arguments
    answer = CliRunner().invoke(cli, [name, "--bootstrap", NOWHERE, *rest])
    assert answer.exit_code == 1
    assert f"{NOWHERE} is not listening" in f"{answer.output}{answer.exception}"


def test_the_dashboard_and_faust_take_it(monkeypatch):
    asked = []

    def build_app(settings):
        asked.append(settings.kafka.bootstrap_servers)
        raise SystemExit(0)

    async def serve(settings):
        asked.append(settings.kafka.bootstrap_servers)
        assert (settings.topics.prefix, settings.worker.group_id) == ("drill.", "drill")

    monkeypatch.setattr("stream_app.cli.dashboard._serve", serve)
    monkeypatch.setattr("stream_app.incidents.app.build_app", build_app)
    for arguments in (
        ["dashboard", "--bootstrap", "a:1", "--prefix", "drill.", "--group", "drill"],
        ["faust", "--bootstrap", "b:2", "tables"],
        ["faust", "tables"],
    ):
        assert CliRunner().invoke(cli, arguments).exit_code == 0
    assert asked == ["a:1", "b:2", "127.0.0.1:9092"]
