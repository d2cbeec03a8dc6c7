"""A partition with a long backlog beside one with a fresh post now and then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping
from math import inf
from pathlib import Path
from statistics import median

from aiokafka import AIOKafkaProducer

from stream_app.proving.chaos.feeder import a_post, producer_of
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import Settings

_FRESH_EVERY_S = 0.25
_READ_S = 1.0
"""So long after it came a fresh post has been read: while the model is behind, Kafka may hold a fetch back for .2 s."""
_ROUNDS = 6


async def backlog(settings: Settings, logs: Path, *, posts: int, fresh: int, model: str) -> Verdict:
    """POSTS wait in one partition; while they are labelled, FRESH ones come to another and do not wait for them.

    A worker so fast that no verdict is possible gets twice as many, again and again; see :func:`passed_by`.
    """
    topic, most = settings.topics.posts, settings.labelling.max_in_flight
    wrong: list[str] = []
    async with Truth(settings, model) as truth, producer_of(settings) as producer, Probe() as probe:
        environment = {**probe.environment, "CRISIS_STREAM_LABELLING__MAX_IN_FLIGHT": str(most)}
        old = range(posts)
        await _send(producer, topic, old)
        with Fleet(settings, 1, logs, environment=environment, model=model) as fleet:
            await probe.at_work(START_S)
            began = time.monotonic()
            async with probe.watching(fleet):
                for rounds_left in reversed(range(_ROUNDS)):
                    sent = await _send_fresh(producer, topic, range(old.stop, old.stop + fresh))
                    end = old.stop + fresh
                    done = await truth.wait(end, START_S + len(old) / 100, fleet.revive)
                    backlog_s = [truth.written_s.get(str(number), inf) for number in old]
                    out_s = {number: truth.written_s.get(str(number), inf) for number in sent}
                    passed = passed_by(backlog_s, [(sent[each], out_s[each]) for each in sent], most)
                    if passed or not done or not rounds_left:
                        break
                    old = range(end, end + 2 * len(old))
                    await _send(producer, topic, old)
            seconds = round(time.monotonic() - began, 1)
            wrong += [] if done else ["not all posts came to an end in time"]
            wrong += ["the worker was restarted"] if fleet.restarts else []
            wrong += [] if passed else [f"no fresh post came while more than {most} waited: give it more posts"]
            if max(passed, default=0) > most:
                wrong.append(f"{max(passed)} of the backlog went before a fresh post, {most} may be on their way")
            delays = [out_s[each] - sent[each] for each in sent]
            waiting, overtaken = ([_after(backlog_s, moment) for moment in each.values()] for each in (sent, out_s))
            figures = {
                "delay_of_fresh_posts_s": f"{max(delays):.2f} at most, {median(delays):.2f} in the middle",
                "backlog_when_they_came": f"{waiting[0]} to {waiting[-1]}",
                "backlog_when_they_were_out": f"{overtaken[0]} to {overtaken[-1]}",
                "passed_by_once_read": f"{max(passed, default=0)} at most, of {len(passed)} that can be judged",
                "seconds": seconds,
                "worker_peak_mb": round(probe.most["rss_mb"]),
            }
            return await the_end(fleet, truth, [str(number) for number in range(end)], wrong=wrong, figures=figures)


def passed_by(backlog_s: Iterable[float], fresh: Iterable[tuple[float, float]], most: int) -> list[int]:
    """How many of the backlog went before each fresh post once it had been read: a fair worker's are at most ``most``.

    Those it held in memory (``labelling.max_in_flight``) may go first, at whatever speed. Of a fresh post after whose
    reading no more than these were left there is no verdict: a worker that reads it last would do no worse.

    Args:
        backlog_s: When each post of the backlog was out.
        fresh: When each fresh post came, and when it was out.
        most: What a worker holds.
    """
    backlog_s = list(backlog_s)
    judged = [(came + _READ_S, out) for came, out in fresh if _after(backlog_s, came + _READ_S) > most]
    return [sum(read < moment < out for moment in backlog_s) for read, out in judged]


def _after(moments: Iterable[float], moment: float) -> int:
    return sum(each > moment for each in moments)


async def _send(producer: AIOKafkaProducer, topic: str, numbers: Iterable[int]) -> None:
    for number in numbers:
        await producer.send(topic, a_post(number), partition=0)
    await producer.flush()


async def _send_fresh(producer: AIOKafkaProducer, topic: str, numbers: Iterable[int]) -> Mapping[int, float]:
    """The moment at which each was sent."""
    sent: dict[int, float] = {}
    for number in numbers:
        sent[number] = time.time()
        await producer.send_and_wait(topic, a_post(number), partition=1)
        await asyncio.sleep(_FRESH_EVERY_S)
    return sent
