"""A partition with a long backlog beside one with a fresh post now and then."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

from stream_app.proving.chaos.feeder import a_post, producer_of
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import Settings

_FRESH_EVERY_S = 0.25
_NEAR = 4096
"""Posts that may be on their way already when a fresh one comes, and be out before it."""


async def backlog(settings: Settings, logs: Path, *, posts: int, fresh: int, model: str) -> Verdict:
    """POSTS wait in one partition; while they are labelled, FRESH ones come to another and do not wait for them."""
    topic, old, new = settings.topics.posts, range(posts), range(posts, posts + fresh)
    async with Truth(settings, model) as truth, producer_of(settings) as producer, Probe() as probe:
        for number in old:
            await producer.send(topic, a_post(number), partition=0)
        await producer.flush()
        with Fleet(settings, 1, logs, environment=probe.environment, model=model) as fleet:
            await probe.at_work(START_S)
            began, sent = time.monotonic(), {}
            for number in new:
                sent[number] = time.time()
                await producer.send_and_wait(topic, a_post(number), partition=1)
                await asyncio.sleep(_FRESH_EVERY_S)
            async with probe.watching(fleet):
                done = await truth.wait(posts + fresh, START_S + posts / 100, fleet.revive)
            seconds = round(time.monotonic() - began, 1)
            wrong = [] if done else ["not all posts came to an end in time"]
            wrong += ["the worker was restarted"] if fleet.restarts else []
            out = truth.written_s
            waiting = [sum(out.get(str(n), 0) > moment for n in old) for moment in sent.values()]
            overtaken = [sum(out.get(str(n), 0) > out.get(str(mine), 0) for n in old) for mine in new]
            if any(before > _NEAR and not behind for before, behind in zip(waiting, overtaken, strict=True)):
                wrong.append("a fresh post came out after the whole backlog")
            delays = [out[str(n)] - sent[n] for n in new if str(n) in out]
            figures = {
                "delay_of_fresh_posts_s": f"{max(delays):.2f} at most, {median(delays):.2f} in the middle",
                "backlog_when_they_came": f"{waiting[0]} to {waiting[-1]}",
                "backlog_when_they_were_out": f"{overtaken[0]} to {overtaken[-1]}",
                "seconds": seconds,
                "worker_peak_mb": round(probe.most["rss_mb"]),
            }
            return await the_end(fleet, truth, [str(n) for n in range(posts + fresh)], wrong=wrong, figures=figures)
