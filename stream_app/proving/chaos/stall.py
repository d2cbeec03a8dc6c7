"""Somebody deletes a topic that is written to, or the feed: that is seen, and nothing hangs or is forgotten."""

from __future__ import annotations

import asyncio
import subprocess
import time
from itertools import pairwise
from pathlib import Path

from stream_app.kafka.clients import admin_client
from stream_app.kafka.topics import ensure_topics
from stream_app.proving.chaos.feeder import feed, numbered
from stream_app.proving.chaos.fleet import Fleet
from stream_app.proving.chaos.probe import Probe
from stream_app.proving.chaos.programs import START_S, the_end
from stream_app.proving.chaos.truth import Truth, Verdict
from stream_app.settings import Settings

_SLACK_S = 15.0
"""Beyond ``stall_s``: the watchdog looks now and then, and so do we, on a machine that others use."""
_SIGTERM_S = 10.0
_FEED_S = 30.0
"""``kafka.metadata_max_age_s`` and half of it, at most."""


async def stall(settings: Settings, logs: Path, *, posts: int, stall_s: float) -> Verdict:
    """Delete a topic of alerts under load, make it again, delete it again and end the worker: /healthz tells of it.

    Then the same with the feed, of which /readyz tells.
    """
    deleted = settings.topics.alerts("informativeness")
    ends = [0, posts, posts + posts // 4, posts + posts // 4 + posts // 8, posts + posts // 2]
    parts = [range(*each) for each in pairwise(ends)]
    wrong: list[str] = []
    async with Probe() as probe, Truth(settings) as truth:
        told = {"CRISIS_STREAM_WORKER__STALL_S": str(stall_s), **probe.environment}
        with Fleet(settings, 1, logs, environment=told) as fleet:
            await feed(settings, numbered(parts[0]))
            await truth.wait(len(parts[0]), START_S, fleet.revive)
            wrong += [] if await probe.turns(True, _SLACK_S) is not None else ["/healthz was red with all well"]

            await _delete_alerts(settings, deleted, truth)
            await feed(settings, numbered(parts[1]))
            red_s = await probe.turns(False, stall_s + _SLACK_S)
            wrong += (
                [] if red_s is not None else [f"/healthz was not red {stall_s + _SLACK_S:g} s after {deleted} went"]
            )
            began = time.monotonic()
            await ensure_topics(settings)
            resumed = await truth.wait(parts[1].stop, START_S, fleet.revive)
            resumed_s = time.monotonic() - began
            wrong += [] if resumed else ["nothing came out after the topic was there again"]
            green = await probe.turns(True, _SLACK_S)
            wrong += [] if green is not None else ["/healthz stayed red after the topic was there again"]
            restarts = fleet.restarts

            await _delete_alerts(settings, deleted, truth)
            await feed(settings, numbered(parts[2]))
            await probe.turns(False, stall_s + _SLACK_S)
            sigterm_s = await _end(fleet)
            fleet.start("r0")  # it makes the topic
            await truth.wait(parts[2].stop, START_S, fleet.revive)

            await probe.turns(True, START_S, "/readyz")
            await _delete(settings, settings.topics.posts)
            unready_s = await probe.turns(False, _FEED_S, "/readyz")
            wrong += [] if unready_s is not None else [f"/readyz was not red {_FEED_S:g} s after the feed went"]
            feed_sigterm_s = await _end(fleet)
            for what, took in (("a topic", sigterm_s), ("the feed", feed_sigterm_s)):
                wrong += [] if took < _SIGTERM_S else [f"SIGTERM took {took:.1f} s without {what}"]
            fleet.start("r0")
            await probe.turns(True, START_S, "/readyz")
            await feed(settings, numbered(parts[3]))
            await truth.wait(parts[3].stop, START_S, fleet.revive)
            figures = {
                "healthz_red_after_s": round(red_s or 0, 1),
                "resumed_after_s": round(resumed_s, 1),
                "restarts_by_then": restarts,
                "sigterm_s": round(sigterm_s, 1),
                "readyz_red_without_feed_after_s": round(unready_s or 0, 1),
                "sigterm_without_feed_s": round(feed_sigterm_s, 1),
            }
            return await the_end(fleet, truth, [str(n) for n in range(parts[3].stop)], wrong=wrong, figures=figures)


async def _end(fleet: Fleet) -> float:
    """Seconds that the worker took to end, at most :data:`START_S`."""
    try:
        return (await asyncio.to_thread(fleet.stop, "r0", START_S))[0]
    except subprocess.TimeoutExpired:
        return START_S


async def _delete_alerts(settings: Settings, topic: str, truth: Truth) -> None:
    """Delete the topic once all that is due in it was read; made again, it is read from its beginning."""
    async with asyncio.timeout(START_S):
        while not truth.due <= truth.ids.keys():
            await truth.read()
    await _delete(settings, topic)
    truth.begin_anew(topic)


async def _delete(settings: Settings, topic: str) -> None:
    async with admin_client(settings.kafka) as admin:
        await admin.delete_topics([topic])
        while topic in await admin.list_topics():  # noqa: ASYNC110 - Kafka tells nobody when it is gone
            await asyncio.sleep(0.05)
