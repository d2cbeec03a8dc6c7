"""What a program's supervisor may ask it over HTTP: is it well, is it ready, what does it count."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Protocol

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST

_LOGGER = logging.getLogger("aiohttp.server.crisis_stream")


def _without_traceback(record: logging.LogRecord) -> bool:
    """What is no HTTP is its sender's fault and answered with 400: a line, not the traceback of our parser."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, HttpProcessingError):
        record.exc_info = None
        record.msg, record.args = "refused what is no HTTP request: %.200r", (error.message,)
        record.levelno, record.levelname = logging.WARNING, "WARNING"
    return True


_LOGGER.addFilter(_without_traceback)


def runner_of(app: web.Application, **options: Any) -> web.AppRunner:
    """What serves ``app``: no access log, nothing decompressed, no traceback for what is no HTTP."""
    return web.AppRunner(app, access_log=None, auto_decompress=False, logger=_LOGGER, **options)


class Patient(Protocol):
    """What is asked."""

    def unready(self) -> str | None:
        """Why it does not do its work yet, or None when it does."""
        ...

    def ill(self) -> str | None:
        """Why the process should be restarted, or None when all is well."""
        ...

    def metrics_text(self) -> bytes:
        """Metrics in Prometheus' text format."""
        ...


class Probes(Service):
    """Serves ``/healthz``, ``/readyz``, ``/metrics`` and ``more`` at ``host:port``; port 0 picks a free one."""

    def __init__(
        self, host: str, port: int, patient: Patient, more: list[web.RouteDef] | None = None, **options: object
    ) -> None:
        super().__init__(**options)
        self.port: int | None = None
        self._host, self._wanted, self._patient, self._more = host, port, patient, more or []
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken; the message names the option.
        """
        app = web.Application(client_max_size=4096)
        app.add_routes(
            [
                web.get("/healthz", _say(self._patient.ill)),
                web.get("/readyz", _say(self._patient.unready)),
                web.get("/metrics", self._metrics),
                *self._more,
            ]
        )
        self._runner = runner_of(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._wanted, shutdown_timeout=1)
        try:
            await site.start()
        except OSError as error:
            raise OSError(
                error.errno,
                f"cannot listen on {self._host}:{self._wanted} ({error.strerror}): "
                "choose another --http-port, or 0 for a free one",
            ) from None
        self.port = self._runner.addresses[0][1]
        self.log.info("health, readiness and metrics at http://%s:%s", self._host, self.port)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self._patient.metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _say(why_not: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = why_not()
        return web.Response(text=f"{problem or 'ok'}\n", status=HTTPStatus.SERVICE_UNAVAILABLE if problem else 200)

    return answer
