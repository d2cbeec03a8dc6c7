"""``crisis-stream notify``: what a person who sets it up meets."""

from __future__ import annotations

import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from stream_app.cli.notify import command
from stream_app.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "notify.md"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def say(*words):
    result = CliRunner().invoke(command, words)
    return result.exit_code, result.output


def test_the_documents_example_is_read(folder, monkeypatch):
    monkeypatch.setenv("OPS_SECRET", "whsec_YQ==")
    monkeypatch.setenv("DUTY_CHAT", "json://127.0.0.1/")
    (folder / "crisis-stream.toml").write_text(re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1])
    settings = Settings()
    assert settings.notify.channel[0].secrets() == ("whsec_YQ==", None)
    assert [rule.name for rule in settings.notify.rule] == ["grave", "the rest", "pleas"]
    assert "whsec" not in f"{settings!r}{settings.model_dump_json()}"


def test_a_secret_that_is_not_there_is_missed_by_notify_alone(folder):
    (folder / "crisis-stream.toml").write_text(re.search(r"```toml\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)[1])
    assert Settings().notify.rule
    assert say("--try", "ops") == (1, "Error: notify.channel 'ops': the environment has no OPS_SECRET\n")


def test_without_rules_it_says_what_to_write():
    code, said = say()
    assert code == 1
    assert "[[notify.rule]]" in said


@pytest.mark.parametrize(("status", "code", "says"), [(200, 0, "desk took it"), (404, 1, "answered 404")])
def test_a_channel_can_be_tried_before_it_is_needed(folder, status, code, says):
    got = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        (folder / "crisis-stream.toml").write_text(f'[[notify.channel]]\nname = "desk"\nwebhook = "{address}"\n')
        assert say("--try", "nosuch")[1].count("desk") == 1
        done, said = say("--try", "desk")
    assert (done, len(got)) == (code, 1)
    assert says in said
