"""The long program: a stream as the product's own, with photos, reposts and incidents, for as long as you like."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psutil

from stream_app.proving.bench.stream import photo_host, posts
from stream_app.proving.chaos.feeder import feed
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import Settings

REPOSTS, PHOTOS = 0.45, 1 / 3
# Whatever is remembered is at its limit after half a minute; what grows after that, grows for ever.
_SMALL = {"LABELLING__DUPLICATES": "1000", "MEDIA__CACHED_IMAGES": "100"}
_BRIEF = {"CLOSE_AFTER_H": "0.003", "FORGET_AFTER_H": "0.005", "MAX_POSTS": "2000"}


async def soak(
    settings: Settings, logs: Path, *, seconds: float, rate: int, growth_mb: float, model: str, longest: int
) -> Verdict:
    """A steady stream with photos, reposts and incidents; memory must stay flat, last quarter against second.

    Texts are 1 to ``longest`` tweets long: what a model keeps for each size that it meets should stop growing too.
    """
    async with photo_host() as host, Truth(settings, model) as truth, Probe() as probe:
        environment = _environment(_SMALL, host) | probe.environment
        with (
            Fleet(settings, 1, logs, environment=environment, model=model) as fleet,
            _incidents(settings, logs) as keeper,
        ):
            worker_mb: list[float] = []
            keeper_mb: list[float] = []
            lag: list[float] = []
            sent = 0
            began = time.monotonic()
            while (elapsed := time.monotonic() - began) < seconds:
                if (due := (1 + int(elapsed)) * rate) > sent:
                    values = posts(due - sent, repeated=REPOSTS, photos=PHOTOS, host=host, first=sent, longest=longest)
                    await feed(settings, [(str(sent + n), value) for n, value in enumerate(values)])
                    sent = due
                await truth.read()
                fleet.revive()
                if elapsed < len(worker_mb):
                    continue
                lag.append(sum(n for name, n in (await probe.samples()).items() if name.startswith("consumer_lag ")))
                worker_mb.append(_mb(fleet.pid("r0")))
                keeper_mb.append(_mb(keeper.pid))
            ended = time.monotonic()
            await truth.wait(sent, START_S, fleet.revive)
            behind_s = time.monotonic() - ended
            grew = {"worker": _growth(worker_mb), "incidents": _growth(keeper_mb)}
            wrong = [f"{who} grew by {mb:.0f} MB" for who, mb in grew.items() if mb > growth_mb]
            wrong += ["incidents ended by itself"] if keeper.poll() is not None else []
            updates = await _updates(truth, settings)
            wrong += [] if updates else ["no incident was published"]
            wrong += ["the worker was restarted"] if fleet.restarts else []
            figures = {
                "updates_of_incidents": updates,
                "degraded": len(truth.degraded),
                "restarts": fleet.restarts,
                "lag_over_time": _over_time(lag),
                "lag_at_most": round(max(lag)),
                "all_out_after_the_last_s": round(behind_s, 1),
                "worker_mb_over_time": _over_time(worker_mb),
                "worker_mb_at_most": round(max(worker_mb)),
                "worker_mb": round(worker_mb[-1]),
                "worker_grew_mb": round(grew["worker"], 1),
                "incidents_mb": round(keeper_mb[-1]),
                "incidents_grew_mb": round(grew["incidents"], 1),
            }
            return await the_end(fleet, truth, [str(n) for n in range(sent)], wrong=wrong, figures=figures)


def _environment(settings: dict[str, str], host: str = "") -> dict[str, str]:
    if host:
        port = host.rpartition(":")[2]
        settings = {**settings, "MEDIA__ALLOWED_PRIVATE": '["127.0.0.1/32"]', "MEDIA__ALLOWED_PORTS": f"[{port}]"}
    return {f"CRISIS_STREAM_{name}": value for name, value in settings.items()}


@contextmanager
def _incidents(settings: Settings, logs: Path) -> Iterator[subprocess.Popen[bytes]]:
    names = {f"INCIDENTS__{name}": value for name, value in _BRIEF.items()}
    names |= {"TOPICS__PREFIX": settings.topics.prefix, "INCIDENTS__APP_ID": f"{settings.topics.prefix}incidents"}
    command = [
        sys.executable,
        "-m",
        "stream_app",
        "incidents",
        "--http-port",
        "0",
        "--bootstrap",
        settings.kafka.bootstrap_servers,
    ]
    with (logs / "incidents.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **_environment(names)})
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _updates(truth: Truth, settings: Settings) -> int:
    """Messages of the incidents' topic; a slow start is given time to bring the first."""
    deadline = time.monotonic() + START_S
    while not (updates := await truth.length_of(settings.topics.incidents)) and time.monotonic() < deadline:
        await truth.read(500)
    return updates


def _mb(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


def _over_time(samples: list[float]) -> str:
    """The median of each tenth of the time."""
    size = max(1, -(-len(samples) // 10))
    return ", ".join(f"{median(samples[n : n + size]):.0f}" for n in range(0, len(samples), size))


def _growth(samples: list[float]) -> float:
    """Megabytes from the second quarter of the time to the last, by their medians."""
    quarter = max(1, len(samples) // 4)
    return median(samples[-quarter:]) - median(samples[quarter : 2 * quarter])
