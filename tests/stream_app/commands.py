"""``crisis-stream`` as a process of its own that starts in no time: forked from one that has imported everything.

A fresh Python takes one to three seconds of a core to import aiokafka, Faust and torch, and the suite starts some two
hundred commands. What a real start does (entry point, imports) is tried in test_cli.py.
"""

from __future__ import annotations

import asyncio
import io
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import aiohttp

from stream_app.cli import COMMANDS, main

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        *(f"stream_app.cli.{name.replace('-', '_')}" for name in COMMANDS),
        "stream_app.worker.service",
        "stream_app.incidents.app",
        "stream_app.dashboard.server",
        "stream_app.notify.service",
        "warm",
    ]
)


class Command:
    """A running ``crisis-stream ARGUMENTS``: what tests ask of :class:`subprocess.Popen`, with text pipes.

    Args:
        arguments: Words after ``crisis-stream``.
        environment: Variables beside those of this process.
        folder: Where it runs; here if None.
        log: File that takes what it says on both streams; None: ``stdout`` and ``stderr`` are pipes.
    """

    def __init__(
        self,
        *arguments: object,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
        log: IO[bytes] | None = None,
    ) -> None:
        self.args = ["crisis-stream", *map(str, arguments)]
        self.stdout, out = _pipe(log)
        self.stderr, err = _pipe(log)
        variables = {**os.environ, **(environment or {})}
        _start_server()
        self._process = _FORKS.Process(target=_run, args=(self.args, variables, str(folder or Path.cwd()), out, err))
        self._process.start()
        out.close()
        err.close()

    @property
    def pid(self) -> int:
        """Process id."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """As it ended; minus the signal that ended it; None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The return code, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal; nothing if it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both pipes until it ends: (stdout, stderr)."""
        with ThreadPoolExecutor(2) as readers:
            said = [readers.submit(stream.read) for stream in (self.stdout, self.stderr)]
            try:
                self.wait(timeout)
            except subprocess.TimeoutExpired:
                self.kill()
                raise
            return said[0].result(), said[1].result()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.kill()
        self.wait()


def run(*arguments: object, timeout: float = 100, **options: object) -> subprocess.CompletedProcess[str]:
    """``crisis-stream ARGUMENTS`` to its end; options as of :class:`Command`."""
    command = Command(*arguments, **options)  # type: ignore[arg-type]
    out, err = command.communicate(timeout)
    assert command.returncode is not None
    return subprocess.CompletedProcess(command.args, command.returncode, out, err)


@cache
def _start_server() -> None:
    """Start what is forked from; it knows no path but the usual ones and PYTHONPATH."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *filter(None, [before])])
    try:
        forkserver.ensure_running()
    finally:
        del os.environ["PYTHONPATH"]
        if before is not None:
            os.environ["PYTHONPATH"] = before


def _pipe(log: IO[bytes] | None) -> tuple[io.TextIOWrapper, Connection]:
    """What the parent reads and what the child writes to."""
    if log is not None:
        return io.TextIOWrapper(io.BytesIO()), Connection(os.dup(log.fileno()), readable=False)
    read, write = _FORKS.Pipe(duplex=False)
    return os.fdopen(os.dup(read.fileno())), write


def _run(words: list[str], variables: Mapping[str, str], folder: str, out: Connection, err: Connection) -> None:
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for number, stream, name in ((1, out, "stdout"), (2, err, "stderr")):
        os.dup2(stream.fileno(), number)
        stream.close()
        setattr(sys, name, os.fdopen(number, "w", closefd=False))
    sys.argv = words
    main()


async def answers(address: str, process: Command) -> None:
    """Until a command's server answers 200 there."""
    async with aiohttp.ClientSession() as web:
        while process.poll() is None:
            with suppress(aiohttp.ClientError):
                async with web.get(address) as answer:
                    if answer.ok:
                        return
            await asyncio.sleep(0.1)
    raise AssertionError(f"{process.args} ended")
