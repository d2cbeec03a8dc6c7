"""Each measure, its goal, and how a ratio comes about: both sides in one run, round by round, medians."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from statistics import median, quantiles

from model.scorer import Scorer, load_scorer
from stream_app.bench.bare import BATCH, flops, gemm_limit, inputs, pass_s
from stream_app.bench.contender import contender, environment, speed
from stream_app.bench.stream import posts
from stream_app.settings import KafkaSettings, LabellingSettings

WORKER = "stream_app worker --log-level ERROR"
REPOSTS = 0.45
PHOTOS = 1 / 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One ratio beside its goal; ``met`` compares them in the direction that ``goal`` says. ``parts`` says of what."""

    name: str
    value: float
    goal: str
    met: bool
    parts: str

    def as_json(self) -> str:
        """One JSON line."""
        return json.dumps(asdict(self))


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how much to measure: posts in a run of the worker with a model, of the slow rival, without a model."""

    kafka: KafkaSettings
    photos_at: str
    model: str = "default"
    rounds: int = 3
    posts: int = 3000
    slow_posts: int = 300
    shell_posts: int = 40_000

    async def both(
        self, one: Callable[[int], Awaitable[float]], other: Callable[[int], Awaitable[float]]
    ) -> list[float]:
        """Medians of two speeds measured by turns; each call gets the round's first post number."""
        rounds = [(await one(n * 1_000_000), await other(n * 1_000_000 + 500_000)) for n in range(self.rounds)]
        return [median(side) for side in zip(*rounds, strict=True)]

    async def worker(self, count: int, first: int, *, repeated: float = 0, photos: float = 0, model: str = "") -> float:
        """Posts a second of the worker on a stream of its own."""
        values = posts(count, repeated=repeated, photos=photos, host=self.photos_at, first=first)
        return await speed(self.kafka, WORKER, values, photos_at=self.photos_at, model=model or self.model)

    async def rival(self, name: str, count: int, first: int, *, repeated: float = 0, photos: float = 0) -> float:
        """Posts a second of a rival on a like stream."""
        values = posts(count, repeated=repeated, photos=photos, host=self.photos_at, first=first)
        return await speed(self.kafka, f"stream_app.bench.rivals.{name}", values)


def at_least(name: str, value: float, goal: float, parts: str) -> Measured:
    """A ratio that should be ``goal`` or more."""
    return Measured(name, value, f">= {goal:g}", value >= goal, parts)


def at_most(name: str, value: float, goal: float, parts: str) -> Measured:
    """A ratio that should be ``goal`` or less."""
    return Measured(name, value, f"<= {goal:g}", value <= goal, parts)


def _bare(scorer: Scorer, photos: float) -> float:
    return BATCH / pass_s(scorer, inputs(scorer, BATCH, photos), 9)


async def worker_of_model(bench: Bench, photos: float = 0.0) -> Measured:
    """(a) The worker end to end over its own bare model, unique posts."""
    scorer = load_scorer(bench.model)

    async def bare(_: int) -> float:
        return await asyncio.to_thread(_bare, scorer, photos)

    ours, model = await bench.both(lambda n: bench.worker(bench.posts, n, photos=photos), bare)
    what = "a third with photos" if photos else "text only"
    return at_least(
        f"worker / bare model, {what}", ours / model, 0.9, f"{ours:.0f} / {model:.0f} posts/s, model {bench.model}"
    )


async def over_faust(bench: Bench) -> Measured:
    """(b) The worker over a naive Faust agent, 45 % reposts, a third of originals with photos."""
    ours, rival = await bench.both(
        lambda n: bench.worker(bench.posts, n, repeated=REPOSTS, photos=PHOTOS),
        lambda n: bench.rival("naive_faust", bench.slow_posts, n, repeated=REPOSTS, photos=PHOTOS),
    )
    return at_least("worker / naive Faust agent", ours / rival, 10, f"{ours:.0f} / {rival:.1f} posts/s, 45 % reposts")


async def over_faststream(bench: Bench) -> Measured:
    """(c) The worker over a FastStream batch consumer, unique posts, a third with photos."""
    ours, rival = await bench.both(
        lambda n: bench.worker(bench.posts, n, photos=PHOTOS),
        lambda n: bench.rival("faststream_batch", bench.posts, n, photos=PHOTOS),
    )
    return at_least("worker / FastStream batches", ours / rival, 2, f"{ours:.0f} / {rival:.0f} posts/s, unique")


async def shell_of_raw(bench: Bench) -> Measured:
    """(d) The worker without a model over a raw loop."""
    ours, raw = await bench.both(
        lambda n: bench.worker(bench.shell_posts, n, model="fixed"),
        lambda n: bench.rival("raw_loop", bench.shell_posts, n),
    )
    return at_least("shell without model / raw aiokafka loop", ours / raw, 0.25, f"{ours:.0f} / {raw:.0f} posts/s")


async def duplicates(bench: Bench) -> Measured:
    """(e) The cost of a post in a stream with 90 % duplicates over that of a unique post."""
    unique, repeated = await bench.both(
        lambda n: bench.worker(bench.posts, n),
        lambda n: bench.worker(bench.posts * 5, n, repeated=0.9),
    )
    return at_most(
        "cost with 90 % duplicates / unique", unique / repeated, 0.15, f"{repeated:.0f} against {unique:.0f} posts/s"
    )


async def model_of_gemm(bench: Bench) -> Measured:
    """(f) The bare model's operations a second over the machine's limit for matrix products, text only."""
    scorer = load_scorer(bench.model)
    batch = inputs(scorer, BATCH * 4, 0)
    rounds = []
    work = await asyncio.to_thread(flops, scorer, batch)
    for _ in range(bench.rounds):
        took = await asyncio.to_thread(pass_s, scorer, batch, 5)
        limit, kind = await asyncio.to_thread(gemm_limit)
        rounds.append((work / took, limit))
    reached, limit = (median(side) for side in zip(*rounds, strict=True))
    return at_least(
        "bare model / GEMM limit", reached / limit, 0.75, f"{reached / 1e9:.0f} / {limit / 1e9:.0f} GFLOP/s, {kind}"
    )


async def latency(bench: Bench) -> Measured:
    """(g) Time from feed to subscriber at half load, 99th percentile, over deadline + one pass + 50 ms."""
    scorer = load_scorer(bench.model)
    one_pass = await asyncio.to_thread(pass_s, scorer, inputs(scorer, BATCH, 0), 9)
    warm, paced = posts(bench.posts), posts(bench.posts, first=5_000_000)
    async with contender(bench.kafka, WORKER, warm, environment=environment("", bench.model)) as running:
        await running.wait_for(len(warm))
        gap = 2 / min(running.rate(), 2000.0)
        sent: dict[str, float] = {}

        async def pace() -> None:
            began = time.monotonic()
            for number, value in enumerate(paced):
                await asyncio.sleep(began + number * gap - time.monotonic())
                sent[str(5_000_000 + number)] = time.monotonic()
                await running.send(value)

        await asyncio.gather(pace(), running.wait_for(len(warm) + len(paced)))
    waits = [running.seen[key] - moment for key, moment in sent.items()]
    p99 = quantiles(waits, n=100)[98]
    goal = LabellingSettings().deadline_ms / 1000 + one_pass + 0.05
    parts = (
        f"p99 {p99 * 1000:.0f} ms, p50 {median(waits) * 1000:.0f} ms, goal {goal * 1000:.0f} ms, {1 / gap:.0f} posts/s"
    )
    return at_most("p99 latency at half load / goal", p99 / goal, 1, parts)


async def product_stream(bench: Bench) -> Measured:
    """(h) Posts a second on the product's stream over 267: 45 % reposts, a third of originals with photos."""
    speeds = [
        await bench.worker(bench.posts, n * 1_000_000, repeated=REPOSTS, photos=PHOTOS) for n in range(bench.rounds)
    ]
    return at_least(
        "posts a second / 267",
        median(speeds) / 267,
        1,
        f"{median(speeds):.0f} posts/s, 55 % unique, a third with photos",
    )


MEASURES: dict[str, Callable[[Bench], Awaitable[Measured]]] = {
    "model": worker_of_model,
    "model-photos": lambda bench: worker_of_model(bench, PHOTOS),
    "faust": over_faust,
    "faststream": over_faststream,
    "shell": shell_of_raw,
    "duplicates": duplicates,
    "gemm": model_of_gemm,
    "latency": latency,
    "stream": product_stream,
}
SHORT = ("shell", "latency", "stream")
"""What a short run with the fixed scorer can show in a minute."""
