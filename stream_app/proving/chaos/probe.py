"""What a running worker says of itself over HTTP, asked again and again while a program runs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

import psutil
from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client.parser import text_string_to_metric_families

from stream_app.kafka.broker.local import free_port
from stream_app.proving.chaos.fleet import Fleet

_EVERY_S = 0.2


class Probe:
    """One worker's pages. ``environment`` goes to the fleet, so that the worker answers where the probe asks."""

    def __init__(self) -> None:
        self._port = free_port()
        self.environment = {"CRISIS_STREAM_WORKER__HTTP_PORT": str(self._port)}
        self.most: dict[str, float] = {}
        """The largest value seen of each gauge without labels, and of the worker's memory as ``rss_mb``."""
        self._session: ClientSession

    async def __aenter__(self) -> Self:
        self._session = ClientSession(f"http://127.0.0.1:{self._port}", timeout=ClientTimeout(total=5))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def green(self, page: str) -> bool | None:
        """Whether ``page`` is; None where nobody answers."""
        with suppress(ClientError, TimeoutError):
            async with self._session.get(page) as answer:
                return answer.status == 200
        return None

    async def turns(self, green: bool, timeout_s: float, page: str = "/healthz") -> float | None:
        """Seconds until ``page`` is green, or red; None if that did not come about in time."""
        began = time.monotonic()
        while (took := time.monotonic() - began) < timeout_s:
            if await self.green(page) is green:
                return took
            await asyncio.sleep(_EVERY_S)
        return None

    async def at_work(self, timeout_s: float) -> None:
        """Wait until an event was published, or in vain."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not (await self.samples()).get("posts_total event"):  # noqa: ASYNC110 - HTTP has no event
                    await asyncio.sleep(_EVERY_S / 4)

    async def samples(self) -> dict[str, float]:
        """All that ``/metrics`` says, by name and labels in Prometheus' own spelling; empty where nobody answers."""
        try:
            async with self._session.get("/metrics") as answer:
                text = await answer.text()
        except (ClientError, TimeoutError):
            return {}
        return {
            sample.name.removeprefix("crisis_stream_")
            + "".join(f" {each}" for each in sample.labels.values()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @asynccontextmanager
    async def watching(self, fleet: Fleet) -> AsyncIterator[Self]:
        """Note the largest values of ``r0`` while the block runs; see :attr:`most`."""

        async def watch() -> None:
            while True:
                seen = await self.samples()
                with suppress(psutil.Error, KeyError):
                    seen["rss_mb"] = psutil.Process(fleet.pid("r0")).memory_info().rss / 2**20
                for name in ("in_flight_posts", "rss_mb"):
                    self.most[name] = max(self.most.get(name, 0.0), seen.get(name, 0.0))
                await asyncio.sleep(_EVERY_S)

        task = asyncio.create_task(watch())
        try:
            yield self
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
