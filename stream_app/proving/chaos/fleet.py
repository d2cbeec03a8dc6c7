"""Worker processes that are started, killed and, like any supervisor does, started again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from stream_app.proving.chaos.truth import group_of
from stream_app.settings import Settings

WORKER = ("stream_app", "worker", "--log-level", "WARNING")
FLAKY_WORKER = ("stream_app.proving.chaos.flaky",)


class Fleet:
    """Replicas ``r0``, ``r1``... as child processes. Only they are ever signalled.

    Args:
        settings: Where they work.
        replicas: How many start at once.
        logs: Folder for what they say.
        program: The Python module they run, with its arguments.
        environment: More environment variables for them.
        model: What labels, whatever ``settings`` says.
    """

    def __init__(
        self,
        settings: Settings,
        replicas: int,
        logs: Path,
        *,
        program: Sequence[str] = WORKER,
        environment: dict[str, str] | None = None,
        model: str = "fixed",
    ) -> None:
        self.settings, self.logs, self._model = settings, logs, model
        self._program, self._environment = program, environment or {}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._wanted = [f"r{number}" for number in range(replicas)]
        self.restarts = 0

    def __enter__(self) -> Self:
        for name in self._wanted:
            self.start(name)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            process.wait()

    @property
    def names(self) -> list[str]:
        """The replicas that are to run."""
        return list(self._running)

    def pid(self, name: str) -> int:
        """A replica's process id."""
        return self._running[name].pid

    def start(self, name: str) -> None:
        """Start one replica."""
        settings = {
            "KAFKA__BOOTSTRAP_SERVERS": self.settings.kafka.bootstrap_servers,
            "TOPICS__PREFIX": self.settings.topics.prefix,
            "WORKER__GROUP_ID": group_of(self.settings),
            "WORKER__REPLICA": name,
            "WORKER__HTTP_PORT": "0",
            "MODEL__SOURCE": self._model,
        }
        told = {f"CRISIS_STREAM_{key}": value for key, value in settings.items()}
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", *self._program],
                stdout=log,
                stderr=log,
                env={**os.environ, **told, **self._environment},
            )

    def kill(self, name: str) -> None:
        """End one replica as a power cut would, and start it again."""
        self._running[name].kill()
        self._running[name].wait()
        self.start(name)

    def stop(self, name: str, timeout_s: float = 30.0) -> tuple[float, int]:
        """Ask one replica to stop; the seconds it took, and its exit status.

        Raises:
            subprocess.TimeoutExpired: it did not.
        """
        process, began = self._running.pop(name), time.monotonic()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout_s)
        return time.monotonic() - began, status

    def stop_all(self) -> None:
        """Ask every replica to stop, one after the other."""
        for name in self.names:
            self.stop(name)

    def revive(self) -> None:
        """Start again whatever has ended by itself, as a supervisor would."""
        for name, process in self._running.items():
            if process.poll() is not None:
                self.restarts += 1
                self.start(name)
