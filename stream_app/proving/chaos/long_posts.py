"""Posts far longer than any network's, more of them than fit in memory or in one transaction."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from stream_app.proving.chaos.feeder import TEXTS, a_post, producer_of
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import Settings


async def long_posts(settings: Settings, logs: Path, *, posts: int, characters: int, model: str) -> Verdict:
    """A backlog of posts of CHARACTERS characters each: no restart, and memory stays within bounds."""
    async with producer_of(settings) as producer:
        for number, value in enumerate(_long(posts, characters)):
            await producer.send(settings.topics.posts, value, key=str(number).encode())
        await producer.flush()
    began = time.monotonic()
    async with Probe() as probe, Truth(settings, model) as truth:
        with Fleet(settings, 1, logs, environment=probe.environment, model=model) as fleet:
            async with probe.watching(fleet):
                done = await truth.wait(posts, START_S + posts / 10, fleet.revive)
            figures = {
                "seconds": round(time.monotonic() - began),
                "worker_peak_mb": round(probe.most["rss_mb"]),
                "in_flight_at_most": round(probe.most["in_flight_posts"]),
                "transactions": await _transactions(probe),
                "restarts": fleet.restarts,
            }
            wrong = [] if done else ["not all posts came to an end in time"]
            wrong += ["the worker died of it"] if fleet.restarts else []
            return await the_end(fleet, truth, [str(n) for n in range(posts)], wrong=wrong, figures=figures)


def _long(posts: int, characters: int) -> Iterator[bytes]:
    for number in range(posts):
        words = f"{TEXTS[number % len(TEXTS)]} {number} "
        yield a_post(number, (words * (characters // len(words) + 1))[:characters])


async def _transactions(probe: Probe) -> str:
    """How many, and how large: the mean and the largest, by the bucket it is in."""
    seen = await probe.samples()
    count = seen.get("transaction_bytes_count", 0)
    buckets = [
        (float(name.rpartition(" ")[2]), n) for name, n in seen.items() if name.startswith("transaction_bytes_b")
    ]
    largest = min((bound for bound, below in buckets if below == count), default=0.0)
    mean = seen.get("transaction_bytes_sum", 0) / max(count, 1)
    return f"{count:.0f}, {mean / 2**20:.1f} MB on average, none above {largest / 2**20:g} MB"
