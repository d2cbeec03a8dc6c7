"""Runs a source in the test's own process."""

from __future__ import annotations

import asyncio

from stream_app.settings import SourceSettings
from stream_app.sources.metrics import Metrics
from stream_app.sources.run import Source


async def fed(settings, network, until, source_settings=None):
    """Run a source until ``until(metrics)``; what its metrics say then."""
    mine = settings.model_copy(update={"sources": source_settings or SourceSettings()})
    metrics, stop = Metrics("source"), asyncio.Event()
    running = asyncio.create_task(Source(mine, network, metrics).run(stop))
    try:
        while not until(metrics) and not running.done():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        stop.set()
        await running
    finally:
        await network.close()
    return metrics


def count(metrics, name, **labels):
    """A metric's value."""
    return metrics.registry.get_sample_value(f"crisis_stream_source_{name}", {"source": "source", **labels})


def sent(number):
    """Until so many were sent."""
    return lambda metrics: count(metrics, "messages_total", became="sent") >= number
