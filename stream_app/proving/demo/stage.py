"""The demo's stage: the program's own commands as child processes on a Kafka of their own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from stream_app.settings import Settings


class StageError(Exception):
    """A command of the demo ended by itself; the message has the end of its log."""


class Stage:
    """Runs ``crisis-stream`` commands with the given settings, each with a log of its own under ``logs``."""

    def __init__(self, settings: Settings, logs: Path) -> None:
        self._logs = logs
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._environment = {**os.environ, **_as_environment(settings)}
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *arguments: str) -> None:
        """Start one command in the background."""
        with (self._logs / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen(
                [sys.executable, "-m", "stream_app", name, *arguments],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def check(self) -> None:
        """Raise for a command that has ended.

        Raises:
            StageError: one did; everything else is still running.
        """
        for name, process in self._processes.items():
            if process.poll() is not None:
                tail = "\n".join((self._logs / f"{name}.log").read_text(errors="replace").splitlines()[-15:])
                raise StageError(f"crisis-stream {name} ended by itself with {process.returncode}:\n{tail}")

    async def stop(self) -> None:
        """Ask every command to stop, and insist after 15 s."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                await asyncio.to_thread(process.wait, 15)
            except subprocess.TimeoutExpired:
                process.kill()


def free_port(wanted: int) -> int:
    """``wanted`` where it is free on loopback, else any free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise StageError("no free port on 127.0.0.1")


def _as_environment(settings: Settings) -> dict[str, str]:
    """The parts of ``settings`` that the demo sets, as the commands read them."""
    kafka, topics, media, model = settings.kafka, settings.topics, settings.media, settings.model
    return {
        "CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        "CRISIS_STREAM_TOPICS__PREFIX": topics.prefix,
        "CRISIS_STREAM_MEDIA__ALLOWED_PRIVATE": json.dumps(media.allowed_private),
        "CRISIS_STREAM_MEDIA__ALLOWED_PORTS": json.dumps(media.allowed_ports),
        "CRISIS_STREAM_MEDIA__DEADLINE_S": str(media.deadline_s),
        "CRISIS_STREAM_MODEL__SOURCE": model.source,
        "CRISIS_STREAM_WORKER__REPLICA": "demo",
        "CRISIS_STREAM_DASHBOARD__NOTICE": settings.dashboard.notice,
    }
