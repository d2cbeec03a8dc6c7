"""While Kafka is away aiokafka says the same few things a hundred times a second; people read them once in ten."""

import asyncio
import logging

import pytest
from commands import Command, answers

from stream_app.kafka.broker import LocalBroker
from stream_app.kafka.broker.local import free_port
from stream_app.kafka.seldom import EVERY_S, Seldom


def test_the_same_message_is_said_once_in_a_while_and_then_tells_how_often_it_was_not(caplog):
    clock = iter([0.0, 1.0, 2.0, 2.5, EVERY_S, EVERY_S + 1])
    log = logging.getLogger("seldom")
    log.addFilter(seldom := Seldom(clock=lambda: next(clock)))
    try:
        for node in (1, 2):
            log.error("no node %s: 100 %%", node)
        log.error("another")
        log.warning("no node %s: 100 %%", 3)
        for node in (4, 5):
            log.error("no node %s: 100 %%", node)
    finally:
        log.removeFilter(seldom)
    assert caplog.messages == [
        "no node 1: 100 %",
        "another",
        "no node 3: 100 %",
        "no node 4: 100 % (1 like it before)",
    ]


@pytest.mark.kafka
async def test_a_worker_whose_kafka_is_away_says_so_seldom(tmp_path):
    port = free_port()
    with LocalBroker(tmp_path / "kafka") as broker, (tmp_path / "log").open("w+b") as log:
        variables = {
            "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": broker.bootstrap_servers,
            "CRISIS_STREAM_MODEL__SOURCE": "fixed",
        }
        with Command("worker", "--http-port", port, environment=variables, log=log) as worker:
            await answers(f"http://127.0.0.1:{port}/readyz", worker)
            before = log.seek(0, 2)
            broker.kill()
            await asyncio.sleep(4)
            worker.kill()
        log.seek(before)
        lines = log.read().decode().splitlines()
    assert any("Unable connect to node" in line for line in lines)
    assert len(lines) < 40, lines[:100]
