"""Each measure, its goal, and how a ratio comes about: both sides in one run, round by round, medians."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import mean, median, quantiles

from model.kernels.precision import Format
from model.load import load_scorer
from model.scorer import BATCH, Scorer
from stream_app.proving.bench.bare import batch_of, gemm_s, inputs, operations, pass_s, text_encoder
from stream_app.proving.bench.contender import WARM_UP, Contender, environment, raced, speed
from stream_app.proving.bench.grouped import grouped
from stream_app.proving.bench.pace import Pace
from stream_app.proving.bench.stream import posts, text
from stream_app.settings import KafkaSettings, LabellingSettings

WORKER = "stream_app worker --log-level ERROR"
REPOSTS = 0.45
PHOTOS = 1 / 3


@dataclass(frozen=True, slots=True)
class Measured:
    """One ratio beside its goal; ``met`` compares them in the direction that ``goal`` says. ``parts`` says of what.

    ``cpu`` is the same ratio by processor seconds instead of the clock, where there is one.
    """

    name: str
    value: float
    cpu: float | None
    goal: str
    met: bool
    parts: str

    def as_json(self, machine: Mapping[str, object]) -> str:
        """One JSON line, with what it was measured on."""
        return json.dumps({**asdict(self), **machine})


Run = Callable[[int], Awaitable[Pace]]


def _median(paces: Sequence[Pace]) -> Pace:
    return Pace(median(each.clock for each in paces), median(each.cpu for each in paces))


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and how much to measure: posts in a run of the worker with a model, of the rivals, without a model.

    The worker's start and end, when batches are not full, should not count for much in a run.
    """

    kafka: KafkaSettings
    photos_at: str
    model: str = "default"
    rounds: int = 3
    posts: int = 3500
    batch_posts: int = 1500
    slow_posts: int = 250
    shell_posts: int = 40_000
    incident_posts: tuple[int, ...] = (10_000, 100_000)
    device: str = "auto"
    format: Format = "float32"

    def scorer(self, threads: int | None = None) -> Scorer:
        """The bare model."""
        return load_scorer(self.model, threads=threads, device=self.device, number_format=self.format)

    def environment(self, photos_at: str = "", model: str = "") -> dict[str, str]:
        """The worker's settings."""
        return environment(photos_at, model or self.model, self.device, self.format)

    async def both(self, one: Run, other: Run) -> tuple[Pace, Pace]:
        """Medians of two paces measured by turns; each call gets the round's first post number."""
        rounds = [(await one(n * 1_000_000), await other(n * 1_000_000 + 500_000)) for n in range(self.rounds)]
        ours, theirs = zip(*rounds, strict=True)
        return _median(ours), _median(theirs)

    async def worker(self, count: int, first: int, *, repeated: float = 0, photos: float = 0, model: str = "") -> Pace:
        """Posts a second of the worker on a stream of its own."""
        values = posts(count, repeated=repeated, photos=photos, host=self.photos_at, first=first)
        return await speed(self.kafka, WORKER, values, settings=self.environment(self.photos_at, model))

    async def rival(self, name: str, count: int, first: int, *, repeated: float = 0, photos: float = 0) -> Pace:
        """Posts a second of a rival on a like stream."""
        values = posts(count, repeated=repeated, photos=photos, host=self.photos_at, first=first)
        return await speed(self.kafka, f"stream_app.proving.bench.rivals.{name}", values)


def moment_s(bench: Bench) -> float:
    """Median seconds of one product of the model's floats: what the machine gives at this moment.

    A virtual machine shares its cores with strangers: what is measured minute by minute compares as far as this stays.
    """
    floats = "bfloat16" if bench.format == "bfloat16" else "float32"
    return gemm_s(floats, 1024, bench.device)[0]


def at_least(name: str, value: float, goal: float, parts: str, cpu: float | None = None) -> Measured:
    """A ratio that should be ``goal`` or more."""
    return Measured(name, value, cpu, f">= {goal:g}", value >= goal, parts)


def at_most(name: str, value: float, goal: float, parts: str, cpu: float | None = None) -> Measured:
    """A ratio that should be ``goal`` or less."""
    return Measured(name, value, cpu, f"<= {goal:g}", value <= goal, parts)


def _beside(one: Pace, other: Pace, what: str) -> str:
    return f"{one.clock:.0f} / {other.clock:.0f} posts/s, {one.cpu:.0f} / {other.cpu:.0f} per CPU second; {what}"


def _bare(scorer: Scorer, photos: float, first: int) -> Pace:
    size = batch_of(scorer)
    posts = inputs(scorer, 8 * size, photos, first)
    clock, cpu = zip(*(pass_s(scorer, posts[i::8], 3) for i in range(8)), strict=True)
    return Pace(size / mean(clock), size / mean(cpu))


async def worker_of_model(bench: Bench, photos: float = 0.0) -> Measured:
    """(a) The worker end to end over its own bare model, unique posts."""
    scorer = bench.scorer()

    async def bare(first: int) -> Pace:
        return await asyncio.to_thread(_bare, scorer, photos, first)

    ours, model = await bench.both(lambda n: bench.worker(bench.posts, n, photos=photos), bare)
    what = "a third with photos" if photos else "text only"
    ratio, cpu = ours.clock / model.clock, ours.cpu / model.cpu
    return at_least(f"worker / bare model, {what}", ratio, 0.9, _beside(ours, model, f"model {bench.model}"), cpu)


async def _over(bench: Bench, rival: str, posts_of_rival: int, goal: float, repeated: float) -> Measured:
    ours, theirs = await bench.both(
        lambda n: bench.worker(bench.posts, n, repeated=repeated, photos=PHOTOS),
        lambda n: bench.rival(rival, posts_of_rival, n, repeated=repeated, photos=PHOTOS),
    )
    what = f"{repeated:.0%} reposts, a third of originals with photos"
    ratio, cpu = ours.clock / theirs.clock, ours.cpu / theirs.cpu
    return at_least(f"worker / {rival}", ratio, goal, _beside(ours, theirs, what), cpu)


async def over_faust(bench: Bench) -> Measured:
    """(b) The worker over a naive Faust agent, 45 % reposts."""
    return await _over(bench, "naive_faust", bench.slow_posts, 10, REPOSTS)


async def over_faststream(bench: Bench) -> Measured:
    """(c) The worker over a FastStream batch consumer, unique posts."""
    return await _over(bench, "faststream_batch", bench.batch_posts, 2, 0)


async def shell_of_raw(bench: Bench) -> Measured:
    """(d) The worker without a model over a raw loop."""
    ours, raw = await bench.both(
        lambda n: bench.worker(bench.shell_posts, n, model="fixed"),
        lambda n: bench.rival("raw_loop", 3 * bench.shell_posts, n),
    )
    ratio, cpu = ours.clock / raw.clock, ours.cpu / raw.cpu
    return at_least(
        "shell without model / raw aiokafka loop", ratio, 0.25, _beside(ours, raw, "unique, no photos"), cpu
    )


async def duplicates(bench: Bench) -> Measured:
    """(e) The cost of a post in a stream with 90 % duplicates over that of a unique post."""
    unique, repeated = await bench.both(
        lambda n: bench.worker(bench.posts, n),
        lambda n: bench.worker(bench.posts * 3, n, repeated=0.9),
    )
    ratio, cpu = unique.clock / repeated.clock, unique.cpu / repeated.cpu
    return at_most("cost with 90 % duplicates / unique", ratio, 0.15, _beside(unique, repeated, "text only"), cpu)


async def model_of_gemm(bench: Bench) -> Measured:
    """(f) The time that a pass over texts' products take at the machine's limit over the time that the pass takes.

    Each product at the limit of its own format: in int8 what stays in floats is counted as such.
    """
    scorer, size = bench.scorer(), 2048
    batch = inputs(scorer, batch_of(scorer), 0)
    # Counted on a CPU: a CUDA graph is one operation.
    one = bench if bench.device == "cpu" else replace(bench, device="cpu", format="float32")
    work = await asyncio.to_thread(operations, one.scorer(threads=1), batch)
    floats = "bfloat16" if bench.format == "bfloat16" else "float32"
    rounds = []
    for _ in range(bench.rounds):
        clock, cpu = await asyncio.to_thread(pass_s, scorer, batch, 5)
        limit = limit_cpu = 0.0
        rates = []
        for number_format, count in ((floats, work.floats), ("int8", work.integers)):
            if count:
                gemm_clock, gemm_cpu = await asyncio.to_thread(gemm_s, number_format, size, bench.device)
                limit += count * gemm_clock / (2 * size**3)
                limit_cpu += count * gemm_cpu / (2 * size**3)
                rates.append(f"{count / 1e9:.0f} G in {number_format} at {2 * size**3 / gemm_clock / 1e9:.0f} G/s")
        rounds.append((limit / clock, limit_cpu / cpu, limit, clock))
    ratio, ratio_cpu, limit, clock = (median(side) for side in zip(*rounds, strict=True))
    parts = f"{limit * 1000:.0f} / {clock * 1000:.0f} ms a pass; {', '.join(rates)}"
    return at_least("a pass's products at the GEMM limit / the pass", ratio, 0.75, parts, ratio_cpu)


async def latency(bench: Bench) -> Measured:
    """(g) Time from feed to subscriber at half load, 99th percentile, over deadline + one pass + 50 ms.

    At 70 % load it may be twice that.
    """
    scorer = bench.scorer()
    batch = inputs(scorer, batch_of(scorer), 0)
    rounds = []
    for n in range(bench.rounds):
        one_pass, _ = await asyncio.to_thread(pass_s, scorer, batch, 9)
        rounds.append((one_pass, *await _waits(bench, n * 1_000_000)))
    one_pass, p99, p50, pace, more_p99, more_pace = (median(each) for each in zip(*rounds, strict=True))
    goal = LabellingSettings().deadline_ms / 1000 + one_pass + 0.05
    parts = f"p99 {p99 * 1000:.0f} ms, p50 {p50 * 1000:.0f} ms, goal {goal * 1000:.0f} ms, {pace:.0f} posts/s"
    parts += f"; at 70 % load p99 {more_p99 * 1000:.0f} ms of {2 * goal * 1000:.0f}, {more_pace:.0f} posts/s"
    return at_most("p99 latency at half load / goal", p99 / goal, 1, parts)


async def _waits(bench: Bench, first: int) -> tuple[float, float, float, float, float]:
    """At half the pace the worker can keep: p99 and p50 seconds from feed to subscriber, and that half in posts/s.

    Then p99 and posts/s at 70 % of it.

    A share of the paced posts warms up too: Kafka has not seen posts one by one before, and is slow for a second.
    """
    warm = posts(bench.posts, first=first)
    async with raced(bench.kafka, WORKER, warm, environment=bench.environment()) as (running, reached):
        top = min(reached.clock, 2000.0)
        half = await _paced(running, top * 0.5, first + 500_000, bench.posts // 2)
        more = await _paced(running, top * 0.7, first + 700_000, bench.posts // 2)
    return quantiles(half, n=100)[98], median(half), top * 0.5, quantiles(more, n=100)[98], top * 0.7


async def _paced(running: Contender, pace: float, first: int, count: int) -> list[float]:
    """Seconds that each of ``count`` posts takes to the subscriber at so many a second, but for those that warm up."""
    sent: dict[str, float] = {}

    async def send() -> None:
        began = time.monotonic()
        for number, value in enumerate(posts(count, first=first)):
            await asyncio.sleep(began + number / pace - time.monotonic())
            sent[str(first + number)] = time.monotonic()
            await running.send(value)

    await asyncio.gather(send(), running.wait_for(len(running.written) + count))
    return [running.seen[key] - moment for key, moment in list(sent.items())[round(count * WARM_UP) :]]


async def product_stream(bench: Bench) -> Measured:
    """(h) Posts a second on the product's stream over 267: 45 % reposts, a third of originals with photos."""
    paces = [
        await bench.worker(bench.posts, n * 1_000_000, repeated=REPOSTS, photos=PHOTOS) for n in range(bench.rounds)
    ]
    pace, cores = _median(paces), os.cpu_count() or 1
    parts = f"{pace.clock:.0f} posts/s, {pace.cpu:.0f} per CPU second; 55 % unique, a third of those with photos"
    return at_least("posts a second / 267", pace.clock / 267, 1, parts, pace.cpu * min(cores, 2) / 267)


async def encoder_cost(bench: Bench) -> Measured:
    """(i) What a text costs in the product's text encoder over MiniLM-L6, which knows English, both in one thread."""
    return await asyncio.to_thread(_encoder_cost, bench)


def _encoder_cost(bench: Bench) -> Measured:
    texts = [text(number) for number in range(BATCH)]
    ours, other = (text_encoder(name, bench.format, bench.device, texts) for name in ("e5", "minilm"))
    rounds = [(_seconds(ours, texts), _seconds(other, texts)) for _ in range(2 * bench.rounds + 1)]
    mine, theirs = (median(side) / BATCH * 1000 for side in zip(*rounds, strict=True))
    parts = f"{mine:.2f} / {theirs:.2f} ms of one core a text, {bench.format}"
    return at_most("multilingual text encoder / MiniLM-L6", mine / theirs, 1.25, parts)


def _seconds(encode: Callable[[Sequence[str]], object], texts: Sequence[str]) -> float:
    encode(texts)
    spent = time.process_time()
    encode(texts)
    return time.process_time() - spent


async def incidents_kept(bench: Bench) -> Measured:
    """(j) Sightings a second that one ``incidents`` puts in their places with many posts in memory over few of them."""
    found = [await asyncio.to_thread(grouped, count) for count in bench.incident_posts]
    parts = "; ".join(f"{each.rate:,.0f}/s and {each.megabytes:,.0f} MB with {each.posts:,} posts" for each in found)
    return at_least("incidents: pace with most posts / with fewest", found[-1].rate / found[0].rate, 0.5, parts)


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
    "encoder": encoder_cost,
    "incidents": incidents_kept,
}
SHORT = ("shell", "latency", "stream")
"""What a short run with the fixed scorer can show in a minute."""
