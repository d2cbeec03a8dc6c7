"""What a source tells Prometheus, and a small server for it and for health checks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import prometheus_client as prometheus
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry

from stream_app.probes import runner_of

_SILENT_S = 120.0


class Metrics:
    """The metrics of one source, in a registry of their own, and whether it is well."""

    def __init__(self, name: str) -> None:
        self.registry = CollectorRegistry()
        make: Any = {"registry": self.registry, "namespace": "crisis_stream", "subsystem": "source"}
        self._messages = prometheus.Counter(
            "messages", "Messages of the network, by what became of them", ["source", "became"], **make
        )
        self._gaps = prometheus.Counter("gaps", "Stretches of which posts may be missing", ["source"], **make)
        self._gap_seconds = prometheus.Counter("gap_seconds", "Length of those stretches", ["source"], **make)
        self._lost = prometheus.Counter("disconnects", "Connections that failed, by kind", ["source", "kind"], **make)
        self._heard = prometheus.Gauge(
            "heard_timestamp_seconds", "When the network last gave a sign of life", ["source"], **make
        )
        self._name = name
        self.heard = 0.0
        self.trouble: str | None = "not connected yet"
        for became in ("sent", "filtered", "repeated", "too_large"):
            self._messages.labels(name, became)
        self._gaps.labels(name)

    def message(self, became: str) -> None:
        """One message was sent, filtered, known already (repeated) or too large for Kafka."""
        self._messages.labels(self._name, became).inc()

    def alive(self, now: float) -> None:
        """The network gave a sign of life."""
        self.heard, self.trouble = now, None
        self._heard.labels(self._name).set(now)

    def gap(self, seconds: float | None) -> None:
        """Posts of so long a stretch may be missing; None where nobody knows how long."""
        self._gaps.labels(self._name).inc()
        self._gap_seconds.labels(self._name).inc(seconds or 0.0)

    def lost(self, kind: str, why: str) -> None:
        """A connection failed."""
        self.trouble = why
        self._lost.labels(self._name, kind).inc()

    def unready(self) -> str | None:
        """Why no posts come, or None."""
        silent = time.time() - self.heard
        return self.trouble or (f"silent for {silent:.0f} s" if silent > _SILENT_S else None)

    @asynccontextmanager
    async def served(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve ``/healthz``, ``/readyz`` and ``/metrics``; gives the port.

        Raises:
            OSError: the port is taken; the message names the setting.
        """

        async def ready(_: web.Request) -> web.Response:
            problem = self.unready()
            return web.Response(text=f"{problem or 'ok'}\n", status=503 if problem else 200)

        async def healthy(_: web.Request) -> web.Response:
            return web.Response(text="ok\n")

        async def numbers(_: web.Request) -> web.Response:
            text = prometheus.generate_latest(self.registry)
            return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})

        app = web.Application(client_max_size=4096)
        app.add_routes([web.get("/healthz", healthy), web.get("/readyz", ready), web.get("/metrics", numbers)])
        runner = runner_of(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, shutdown_timeout=1).start()
            yield runner.addresses[0][1]
        except OSError as error:
            if error.errno is None or runner.addresses:
                raise
            raise OSError(
                error.errno, f"cannot listen on {host}:{port} ({error.strerror}): choose another --http-port, or 0"
            ) from None
        finally:
            await runner.cleanup()
