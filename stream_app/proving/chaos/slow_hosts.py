"""Photo hosts that dawdle, in every way that a host or its owner may try: only the posts with their photos wait."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp import ClientConnectionResetError, web

from stream_app.pipeline.media.hosts import STRIKES, registered_domain
from stream_app.proving.bench.stream import photo
from stream_app.proving.chaos.feeder import a_post, feed, numbered, paced
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.named import address_of
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import MediaSettings, Settings

NAMED_WORKER = ("stream_app.proving.chaos.named",)


_QUICK, _TARDY, _BUSY, _DRIP = (f"at-127-2-0-{number}" for number in (1, 2, 3, 4))
"""Addresses of their own, or one would be left alone for what another did."""


def _own(number: int) -> str:
    """An address of its own for each of 60,000 hosts, as :mod:`stream_app.proving.chaos.named` reads it."""
    return f"at-127-1-{number // 250}-{number % 250 + 1}"


_ALONE = "no photos"
_SHARE = 8
"""A machine that is nearly full shows how full it is, and not what slow hosts do: by default an eighth of the texts is
fed that go through. To ask a host in vain costs as much as three texts, and who plays the hosts shares the machine."""

_GOOD = 20
"""Every so many posts one has a photo at a host that answers at once: it should be used, whatever the others do."""


@dataclass(frozen=True)
class Phase:
    """One kind of stream: every second post has a photo at ``host`` of its number, under this path (:data:`_GOOD`)."""

    name: str
    host: Callable[[int], str] | None = None
    path: str = ""
    domains: int | None = None
    """Registered domains that it uses where they are few: each may be asked only so often."""


def phases(hosts: int) -> Sequence[Phase]:
    """The kinds, with text alone before and after each to compare with: others may use the machine more, or less."""
    kinds = (
        Phase(f"{hosts} hosts answer late", lambda n: f"{_own(n // 2 % hosts)}.slow{n // 2 % hosts}.example", "late"),
        Phase("one host answers just in time", lambda _: f"{_TARDY}.tardy.example", "tardy", 1),
        Phase("names below one domain", lambda n: f"{_own(hosts + n // 2 % hosts)}.n{n}.wildcard.example", "late", 1),
        Phase("one host sends a byte now and then", lambda _: f"{_DRIP}.drip.example", "drip", 1),
        Phase("429 and 503 with Retry-After", lambda n: f"{_BUSY}.busy{n // 2 % 2}.example", "busy", 2),
    )
    return (Phase(_ALONE), *(each for kind in kinds for each in (kind, Phase(_ALONE))))


async def slow_hosts(
    settings: Settings,
    logs: Path,
    *,
    rate: int,
    seconds: float,
    hosts: int,
    deadline_s: float,
    ratio: float,
    lateness_s: float,
) -> Verdict:
    """Half of the posts point at hosts that answer after 2.5 deadlines, just before it, or 429: only they wait.

    Text-only posts' p99 may be RATIO of its value without photos just before and after, and no post later than
    deadline, model pass and LATENESS_S. RATE 0 is an eighth of the texts that go through when all are there at once.
    """
    names = [_QUICK, _TARDY, _BUSY, _DRIP, *(_own(n) for n in range(2 * hosts))]
    async with _slow_host(deadline_s, [address_of(f"{name}.") for name in names]) as (port, asked):
        environment = {
            "CRISIS_STREAM_MEDIA__ALLOWED_PRIVATE": '["127.0.0.0/8"]',
            "CRISIS_STREAM_MEDIA__ALLOWED_PORTS": f"[{port}]",
            "CRISIS_STREAM_MEDIA__DEADLINE_S": str(deadline_s),
        }
        async with Truth(settings) as truth, Probe() as probe:
            with Fleet(settings, 1, logs, program=NAMED_WORKER, environment=environment | probe.environment) as fleet:
                figures: dict[str, str] = {}
                text: list[np.ndarray] = []
                carried = await _warm_up(settings, truth, fleet, 0 if rate else _MEASURED)
                rate = rate or max(int(carried / _SHARE), 1)
                figures["posts_a_second"] = f"{rate}" + (f", of {carried:.0f} flat out" if carried else "")
                wrong, count, first, kinds = [], int(rate * seconds), 0, phases(hosts)
                for phase in kinds:
                    numbers = range(first, first + count)
                    first += count
                    good = {n for n in numbers if phase.host and n % _GOOD == 1}
                    photos = {n for n in numbers if phase.host and n % 2} - good
                    posts = [(str(n), _post(n, phase, port, good) if n % 2 else a_post(n)) for n in numbers]
                    probe.most.clear()
                    async with probe.watching(fleet):
                        sent, _ = await asyncio.gather(
                            paced(settings, posts, rate),
                            truth.wait(truth.seen + count, seconds + START_S, fleet.revive),
                        )
                    delays = {n: truth.written_s[str(n)] - at for n in numbers if (at := sent[str(n)])}
                    plain = np.array([delays[n] for n in numbers if n not in photos | good])
                    text.append(plain)
                    said = f"text {_percentiles(plain)}; {_slowest(truth, delays, numbers, photos | good)}"
                    if photos:
                        theirs = np.array([delays[n] for n in photos])
                        late = max(delays[n] - truth.timings[str(n)].model_ms / 1000 for n in photos) - deadline_s
                        said += f"; with photo {_percentiles(theirs)}, {max(late, 0):.2f} s over the deadline at worst"
                        said += f"; {sum(asked.values())} requests"
                        used = len(good) - len(truth.degraded & {str(n) for n in good})
                        said += f"; {used} of {len(good)} photos of a quick host used"
                        if late > lateness_s:
                            wrong.append(f"{phase.name}: a post was {late:.1f} s late")
                        if phase.path != "tardy" and (whole := photos - set(map(int, truth.degraded))):
                            wrong.append(f"{phase.name}: {len(whole)} posts had a photo that cannot have come")
                        wrong += _too_often(asked, phase, MediaSettings().per_host)
                    asked.clear()
                    said += f"; {probe.most['in_flight_posts']:.0f} in flight at most"
                    figures[f"{phase.name} ({len(text)})" if phase.host is None else phase.name] = said
                for number, phase in enumerate(kinds):
                    if phase.host is None:
                        continue
                    alone = _p99(np.concatenate([text[number - 1], text[number + 1]]))
                    times = _p99(text[number]) / alone
                    figures[phase.name] += f"; text p99 {times:.2f} times that without photos ({alone * 1000:.0f} ms)"
                    if times > ratio:
                        wrong.append(f"{phase.name}: text-only posts' p99 was {times:.2f} times that without photos")
                keys = [str(n) for n in range(-_WARM_UP - (_MEASURED if carried else 0), first)]
                wrong += ["the worker was restarted"] if fleet.restarts else []
                return await the_end(fleet, truth, keys, wrong=wrong, figures=figures)


_WARM_UP, _MEASURED = 200, 5000


async def _warm_up(settings: Settings, truth: Truth, fleet: Fleet, measured: int) -> float:
    """Until the worker has started and published: no delay of a phase is to hold that.

    Gives the posts a second at which ``measured`` more go through, fed at once; 0 for none.
    """
    await paced(settings, numbered(range(-_WARM_UP, 0)), 1000)
    await truth.wait(_WARM_UP, START_S, fleet.revive)
    began = time.monotonic()
    await feed(settings, numbered(range(-_WARM_UP - measured, -_WARM_UP)))
    await truth.wait(_WARM_UP + measured, START_S, fleet.revive)
    return measured / (time.monotonic() - began)


def _post(number: int, phase: Phase, port: int, good: Collection[int]) -> bytes:
    if phase.host is None:
        return a_post(number)
    place = f"{_QUICK}.quick.example:{port}/quick" if number in good else f"{phase.host(number)}:{port}/{phase.path}"
    return a_post(number, media=[{"url": f"http://{place}/{number}.jpg"}])


def _too_often(asked: Counter[str], phase: Phase, per_host: int) -> list[str]:
    """A domain is asked by as many at once as may be, and again by those that are let in before the third is late."""
    if phase.domains is None:
        return []
    by_domain: Counter[str] = Counter()
    for host, times in asked.items():
        by_domain[registered_domain(host)] += times
    most = per_host + STRIKES
    return [f"{phase.name}: {name} was asked {n} times" for name, n in by_domain.items() if n > most]


def _p99(delays: np.ndarray) -> float:
    return float(np.percentile(delays, 99))


def _percentiles(delays: np.ndarray) -> str:
    middle, most, nearly_all = np.percentile(delays, [50, 95, 99]) * 1000
    return f"p50 {middle:.0f}, p95 {most:.0f}, p99 {nearly_all:.0f}, max {delays.max() * 1000:.0f} ms"


def _slowest(truth: Truth, delays: Mapping[int, float], numbers: Iterable[int], photos: Collection[int]) -> str:
    """Where the slowest hundredth of the text-only posts were for how long, on average."""
    slowest = sorted((n for n in numbers if n not in photos), key=delays.__getitem__)[-max(len(delays) // 200, 1) :]
    stages = []
    for n in slowest:
        told = truth.timings[str(n)]
        after = 1000 * (truth.written_s[str(n)] - told.produced_at.timestamp())
        inside = told.queue_ms, told.model_ms, told.total_ms - told.queue_ms - told.model_ms
        stages.append((1000 * delays[n] - told.total_ms - after, *inside, after))
    read, queue, model, made, written = np.mean(stages, axis=0)
    return (
        f"its slowest hundredth: {read:.0f} ms until it was read, {queue:.0f} before the model, {model:.0f} in it, "
        f"{made:.0f} until its event was made, {written:.0f} until Kafka had it"
    )


@asynccontextmanager
async def _slow_host(deadline_s: float, addresses: Collection[str]) -> AsyncIterator[tuple[int, Counter[str]]]:
    """Hosts at 127.0.0.1 and ``addresses``, all on one port; gives it, and how often each name was asked."""
    asked: Counter[str] = Counter()
    picture = photo(0)

    async def quick(_: web.Request) -> web.Response:
        return web.Response(body=picture, content_type="image/jpeg")

    async def late(request: web.Request) -> web.Response:
        asked[request.host.partition(":")[0]] += 1
        await asyncio.sleep(2.5 * deadline_s)
        return web.Response(body=picture, content_type="image/jpeg")

    async def tardy(request: web.Request) -> web.Response:
        asked[request.host.partition(":")[0]] += 1
        await asyncio.sleep(0.95 * deadline_s)
        return web.Response(body=picture, content_type="image/jpeg")

    async def drip(request: web.Request) -> web.StreamResponse:
        asked[request.host.partition(":")[0]] += 1
        answer = web.StreamResponse(headers={"Content-Type": "image/jpeg", "Content-Length": str(len(picture))})
        with suppress(ClientConnectionResetError):  # nobody waits any more
            await answer.prepare(request)
            for byte in picture:
                await answer.write(bytes([byte]))
                await asyncio.sleep(deadline_s / 4)
        return answer

    async def busy(request: web.Request) -> web.Response:
        asked[request.host.partition(":")[0]] += 1
        status = 429 if ".busy0." in request.host else 503
        return web.Response(status=status, headers={"Retry-After": "300"})

    app = web.Application()
    app.add_routes([web.get(f"/{each.__name__}/{{name}}", each) for each in (quick, late, tardy, drip, busy)])
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port: int = runner.addresses[0][1]
        for address in addresses:
            await web.TCPSite(runner, address, port).start()
        yield port, asked
    finally:
        await runner.cleanup()
