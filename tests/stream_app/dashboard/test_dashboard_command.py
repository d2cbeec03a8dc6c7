"""The command as a user starts it, on a real Kafka and, with Chromium, in a real browser."""

from __future__ import annotations

import asyncio
import re
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from aiokafka import AIOKafkaProducer
from click.testing import CliRunner
from commands import Command
from playwright.sync_api import expect

from stream_app.cli import cli
from stream_app.kafka.clients import client_options


@pytest.fixture
def command(settings):
    """A running ``crisis-stream dashboard --port 0``: the process and the address it printed."""
    environment = {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": settings.kafka.bootstrap_servers,
        "CRISIS_STREAM_TOPICS__PREFIX": settings.topics.prefix,
    }
    process = Command("dashboard", "--port", "0", environment=environment)
    line = process.stdout.readline()
    yield process, re.search(r"http://127\.0\.0\.1:\d+/", line).group()
    process.kill()
    process.wait()


async def publish(settings, event):
    async with AIOKafkaProducer(**client_options(settings.kafka)) as producer:
        await producer.send_and_wait(settings.topics.events, event.model_dump_json().encode(), key=b"k")


@pytest.mark.kafka
@pytest.mark.browser
def test_an_event_goes_from_kafka_to_the_page(command, settings, open_browser, make_event):
    process, address = command
    event = make_event(1, text="Water in the hospital", humanitarian="affected_individuals")
    wrong = []
    with open_browser() as browser, ThreadPoolExecutor(1) as other_thread:
        page = browser.new_page()
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(address) else wrong.append(request.url))
        page.goto(address)
        expect(page.locator("#status-text")).to_have_text("Live")
        expect(page.locator("#health")).to_contain_text("Partition 1")
        other_thread.submit(asyncio.run, publish(settings, event)).result()
        expect(page.locator(".card")).to_contain_text("Water in the hospital")
    assert wrong == []
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_taken_port_is_explained(tmp_path):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        answer = CliRunner().invoke(cli, ["dashboard", "--port", str(taken.getsockname()[1])])
    assert answer.exit_code == 1
    assert "Choose another --port" in answer.output


def test_listening_to_the_world_warns():
    answer = CliRunner().invoke(
        cli, ["dashboard", "--host", "192.0.2.1"]
    )  # no address of this machine: it ends at once
    assert "The dashboard has no login" in answer.output
    assert answer.exit_code == 1
