"""One Kafka broker as a child process that never outlives its parent."""

from __future__ import annotations

import base64
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import NoReturn, Self

from stream_app.kafka.broker.distribution import BrokerError, Distribution, install, locked
from stream_app.kafka.broker.secure import SecureListener

_JVM = (
    "-Xmx384m",
    "-Xms128m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+IgnoreUnrecognizedVMOptions",  # Java before 25 knows no AOTCache
    "-Djava.awt.headless=true",
    "--enable-native-access=ALL-UNNAMED",
)
_PR_SET_PDEATHSIG = 1
_LOG_TAIL_LINES = 25


@dataclass(frozen=True)
class Seat:
    """One broker's place among several: its number from 1 on, and the controllers' ports, one for each of them."""

    node: int
    controllers: tuple[int, ...]

    def properties(self) -> str:
        """Settings that more than one broker make possible.

        Everything is kept on up to three, and written to two; each stands in a rack of its own, ``rack-1`` and so on,
        and lets readers of its rack read from it.
        """
        copies = min(len(self.controllers), 3)
        if copies == 1:
            return ""
        names = ("offsets.topic", "transaction.state.log", "share.coordinator.state.topic")
        return (
            "".join(f"{name}.replication.factor={copies}\n" for name in names) + f"broker.rack=rack-{self.node}\n"
            "replica.selector.class=org.apache.kafka.common.replica.RackAwareReplicaSelector\n"
            f"default.replication.factor={copies}\nmin.insync.replicas={copies - 1}\n"
            f"transaction.state.log.min.isr={copies - 1}\nshare.coordinator.state.topic.min.isr={copies - 1}\n"
        )


class LocalBroker:
    """A real Kafka in KRaft mode on 127.0.0.1, its data under ``data_dir``.

    Start and stop it as often as you like: port and data stay, so clients see a broker that went and came back. On
    Linux the kernel kills it when the thread that started it ends, so start it from a thread that stays (the main one).

    Args:
        data_dir: Folder for its data and ``broker.log``; made if missing.
        port: Port to listen on; 0 picks a free one at the first start.
        secure: A listener with SASL_SSL, beside the plain one.
        seat: Its place among several, see :class:`stream_app.kafka.broker.cluster.LocalCluster`; alone when None.
    """

    def __init__(
        self, data_dir: Path, port: int = 0, secure: SecureListener | None = None, seat: Seat | None = None
    ) -> None:
        self.data_dir = data_dir
        self.port = port
        self.secure = secure
        self._seat = seat
        self._secure_port = secure.port if secure else 0
        self._fixed = port != 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def bootstrap_servers(self) -> str:
        """``host:port`` for clients; known once started."""
        return f"127.0.0.1:{self.port}"

    @property
    def secure_bootstrap_servers(self) -> str:
        """``host:port`` of the listener with SASL_SSL; known once started.

        Raises:
            ValueError: it has none.
        """
        if self.secure is None:
            raise ValueError("this broker was made without a secure listener")
        return f"127.0.0.1:{self._secure_port}"

    @property
    def pid(self) -> int | None:
        """Process id while it runs, else None."""
        return self._process.pid if self._process and self._process.poll() is None else None

    @property
    def log(self) -> Path:
        """What the broker says: warnings and errors."""
        return self.data_dir / "broker.log"

    def start(self, timeout_s: float = 60.0) -> None:
        """Start, and return when it answers requests. Kafka is downloaded first where it is not in the cache.

        Raises:
            BrokerError: it could not be installed, its port is taken, or it did not come up; with the end of its log.
        """
        if self.pid is not None:
            return
        for attempt in range(3):
            if not self.port:
                self.port = free_port()
            elif _answers(self.port) is not None:
                raise BrokerError(f"port {self.port} of 127.0.0.1 is taken by another program; choose another port")
            self._spawn()
            try:
                self.wait_ready(timeout_s)
            except BaseException:
                self.kill()
                # Between the free port's choice and its use another program may have taken it.
                if self._fixed or attempt == 2 or "BindException" not in self._log_tail():
                    raise
                self.port = 0
                self._secure_port = self.secure.port if self.secure else 0
            else:
                self._fixed = True
                return

    def launch(self) -> None:
        """Start without waiting: brokers of a cluster need one another. Its port must be given."""
        if self.pid is None:
            self._spawn()

    def wait(self) -> NoReturn:
        """Block while it runs.

        Raises:
            BrokerError: it ended by itself; with the end of its log.
        """
        if self._process is not None:
            self._process.wait()
        raise BrokerError(f"Kafka ended by itself; {self.log} ends:\n{self._log_tail()}")

    def stop(self, timeout_s: float = 20.0) -> None:
        """Shut down cleanly, or by force after ``timeout_s``; stopping a stopped broker does nothing."""
        self._end(signal.SIGTERM, timeout_s)

    def kill(self) -> None:
        """End it at once, as a power cut would."""
        self._end(signal.SIGKILL, 10.0)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self) -> None:
        distribution = install()
        storage = self.data_dir.resolve() / "storage"
        if not storage.exists():
            shutil.copytree(distribution.template, storage)
            if self._seat is not None:
                _name(storage / "meta.properties", self._seat.node)
        properties = storage.with_name("server.properties")
        text = _resource("server.properties").read_text()
        if self.secure is not None:
            self._secure_port = self._secure_port or free_port()
            text += self.secure.properties()
        properties.touch(mode=0o600)  # it may hold passwords
        properties.write_text(text + _addresses(self.port, storage, self._secure_port, self._seat))
        options = (*_JVM, self._classes(distribution), f"-Dlog4j2.configurationFile={_resource('log4j2.properties')}")
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*distribution.command("kafka.Kafka", *options), str(properties)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the parent, which stops the broker last
                preexec_fn=die_with_parent(),  # noqa: PLW1509 - the one call in it is async-signal-safe
            )

    def _classes(self, distribution: Distribution) -> str:
        return f"-XX:AOTCache={_learned(distribution)}"

    def wait_ready(self, timeout_s: float = 60.0) -> None:
        """Wait until it answers requests.

        Raises:
            BrokerError: it ended, or took too long; with the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not _answers(self.port):
            if self.pid is None:
                raise BrokerError(f"Kafka ended while starting; {self.log} ends:\n{self._log_tail()}")
            if time.monotonic() > deadline:
                raise BrokerError(f"Kafka was not ready after {timeout_s:.0f} s; {self.log} ends:\n{self._log_tail()}")
            time.sleep(0.05)

    def _end(self, how: signal.Signals, timeout_s: float) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(how)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])


class _Pupil(LocalBroker):
    def _classes(self, distribution: Distribution) -> str:
        return f"-XX:AOTCacheOutput={_partial(distribution)}"


def _partial(distribution: Distribution) -> Path:
    return distribution.learned.with_suffix(".partial")


def _learned(distribution: Distribution) -> Path:
    """What Java keeps of Kafka's classes (JEP 514), so that each start takes half the processor's time.

    Learned once, from a broker that starts and stops. What another Java or a crash has left of it, Java ignores.
    """
    with locked(distribution.learned.with_suffix(".lock")):
        if not distribution.learned.exists():
            with TemporaryDirectory() as folder:
                pupil = _Pupil(Path(folder))
                pupil.start()
                pupil.stop(timeout_s=120.0)  # Java writes it as it ends
            _partial(distribution).touch()
            _partial(distribution).rename(distribution.learned)
    return distribution.learned


def _addresses(port: int, storage: Path, secure_port: int = 0, seat: Seat | None = None) -> str:
    seat = seat or Seat(1, (free_port(),))
    secure = f"SASL_SSL://127.0.0.1:{secure_port}," if secure_port else ""
    voters = ",".join(f"{node}@127.0.0.1:{each}" for node, each in enumerate(seat.controllers, 1))
    return (
        f"\nlisteners=PLAINTEXT://127.0.0.1:{port},{secure}CONTROLLER://127.0.0.1:{seat.controllers[seat.node - 1]}\n"
        f"controller.quorum.voters={voters}\nlog.dirs={storage}\n"
        f"node.id={seat.node}\n{seat.properties()}"
    )


def _name(meta: Path, node: int) -> None:
    """Make a copy of the formatted storage another node's: its number and its folder's id."""
    new = {"node.id": str(node), "directory.id": base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")}
    lines = [line for line in meta.read_text().splitlines() if line.partition("=")[0] not in new]
    meta.write_text("\n".join([*lines, *(f"{name}={value}" for name, value in new.items())]) + "\n")


def _resource(name: str) -> Path:
    return Path(str(files("stream_app.kafka.broker"))) / name


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(port: int) -> bool | None:
    """Ask for the API versions: True on an answer, False on silence, None when nothing listens there.

    Kafka opens its client listener only when the broker has caught up and may serve.
    """
    request = struct.pack(">hhih", 18, 0, 1, -1)  # ApiVersions v0, correlation id 1, no client id
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1.0) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            return len(connection.recv(8)) == 8
    except ConnectionRefusedError:
        return None
    except OSError:
        return False


def die_with_parent() -> Callable[[], None] | None:
    """What a child calls before its program (``preexec_fn``): ask Linux to kill it when this one is gone, however."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it went before the call
            os.kill(os.getpid(), signal.SIGKILL)

    return ask
