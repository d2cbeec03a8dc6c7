"""The demo, from an empty folder to labelled events on the screen."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.live import Live

from model.scorer import CONCEPTS
from stream_app.kafka.broker import LocalBroker
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.kafka.topics import ensure_topics
from stream_app.pipeline.posts.parse import NotAPost, PostError, parse_post
from stream_app.proving.demo.history import history
from stream_app.proving.demo.host import picture_host
from stream_app.proving.demo.stage import Stage, free_port
from stream_app.proving.demo.story import TOUR
from stream_app.proving.demo.tally import Tally
from stream_app.replay import replay
from stream_app.replay.files import FileHistory
from stream_app.settings import Settings

_LOGS = Path("var/demo")
_PACE = 120.0
"""The invented history spans six hours; 120 times its pace makes that three minutes."""


async def run(*, once: bool, data: Path | None, model: str, console: Console) -> None:
    """Show everything on the bundled history, or with ``data`` on real labelled posts and their photos.

    Runs until cancelled; with ``once`` until the history is through and the incidents have settled.

    Raises:
        StageError: one of the program's commands ended by itself.
        BrokerError: Kafka could not be started.
        FileNotFoundError: ``data`` is not the folder of labelled posts.
    """
    from stream_app.proving.demo import real

    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # so that the children are stopped too
    rows = real.test_rows(data) if data else []
    photos = data / "photos" if data else None
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crisis-stream-demo-")))
        images = await stack.enter_async_context(picture_host(photos))
        console.print("Starting Kafka (the first time its jars are downloaded) ...")
        broker = stack.enter_context(LocalBroker(folder / "kafka"))
        settings = _settings(broker.bootstrap_servers, images, model, TOUR if not rows else "")
        await ensure_topics(settings)
        stage = Stage(settings, _LOGS)
        stack.push_async_callback(stage.stop)
        stage.start("worker", "--http-port", "0")
        port = free_port(8090)
        if not rows:
            stage.start("incidents", "--http-port", "0")
            stage.start("dashboard", "--port", str(port), "--history", "1000000")
        lines = [real.as_post(row, photos, images) for row in rows] if photos else list(history(images))
        tally = Tally(settings.topics, sent=len(lines), control=sum(map(_is_control, lines)))
        flat_out = once or bool(rows) or "CI" in os.environ
        address = None if rows else f"http://127.0.0.1:{port}"
        if not flat_out:
            await _until_it_answers(port, stage)  # else the story begins before anybody can see it
        await _show(settings, stage, tally, lines, folder, console, address, once=once, flat_out=flat_out)
        if rows:
            console.print(real.report(rows, tally.events))


async def _until_it_answers(port: int, stage: Stage) -> None:
    while True:
        stage.check()
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.25)


async def _show(
    settings: Settings,
    stage: Stage,
    tally: Tally,
    lines: Sequence[bytes],
    folder: Path,
    console: Console,
    address: str | None,
    *,
    once: bool,
    flat_out: bool,
) -> None:
    """Replay the lines and count what comes out, on the screen."""
    file = folder / "history.jsonl"
    file.write_bytes(b"\n".join(lines) + b"\n")
    began = time.monotonic()
    last = began
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(_read(settings, tally))
        topic = settings.topics.posts
        sending = tasks.create_task(
            replay(
                settings.kafka, FileHistory([file], topic, timed=not flat_out), topic, speed=None if flat_out else _PACE
            )
        )
        if address:
            console.print(f"Dashboard: {address}")
        with Live(console=console, refresh_per_second=4, transient=once) as live:
            seen = -1
            while not (once and tally.through and time.monotonic() - last > _settled_s(tally, address)):
                await asyncio.sleep(0.25)
                stage.check()
                if seen != (seen := _outputs(tally)):
                    last = time.monotonic()
                live.update(tally.live(address))
        await sending
        reading.cancel()
    console.print(tally.summary(tally.ended - began))
    console.print(f"Logs of its commands: {_LOGS}. Stopping them ...", highlight=False)


def _settled_s(tally: Tally, address: str | None) -> float:
    """How long nothing new may come before the demo is over; incidents come a little after the events."""
    return 1.0 if address is None else 5.0 if tally.incidents else 15.0


def _outputs(tally: Tally) -> int:
    return len(tally.events) + tally.letters.total() + tally.alerts.total() + len(tally.incidents)


async def _read(settings: Settings, tally: Tally) -> None:
    topics = settings.topics
    names = [topics.events, topics.dead_letters, topics.incidents, *map(topics.alerts, CONCEPTS)]
    async for record in subscribe(settings, names, since=EPOCH):
        tally.add(record)


def _settings(bootstrap_servers: str, images: str, model: str, notice: str) -> Settings:
    """The user's settings on the demo's Kafka; its picture host is the one private address that may be fetched."""
    mine = Settings()
    port = urlsplit(images).port or 80
    return mine.model_copy(
        update={
            "kafka": mine.kafka.model_copy(update={"bootstrap_servers": bootstrap_servers}),
            "media": mine.media.model_copy(
                update={
                    "allowed_private": ("127.0.0.1/32",),
                    "allowed_ports": (80, 443, port),
                },
            ),
            "model": mine.model.model_copy(update={"source": model}),
            "dashboard": mine.dashboard.model_copy(update={"notice": notice}),
        }
    )


def _is_control(line: bytes) -> bool:
    try:
        parse_post(line)
    except NotAPost:
        return True
    except PostError:
        return False
    return False
