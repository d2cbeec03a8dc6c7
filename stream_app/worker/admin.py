"""A replica's small web server: health, readiness, metrics, and the swap of its model."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from http import HTTPStatus
from typing import Protocol

from aiohttp import web
from mode import Service
from prometheus_client import CONTENT_TYPE_LATEST

from model.scorer import ModelInfo
from stream_app.pipeline.labelling.models import SwapError
from stream_app.settings import WorkerSettings


class Replica(Protocol):
    """What the server tells of and asks for."""

    def unready(self) -> str | None:
        """Why no posts are being labelled yet, or None when they are."""
        ...

    def ill(self) -> str | None:
        """Why the process should be restarted, or None when all is well."""
        ...

    def metrics_text(self) -> bytes:
        """Metrics in Prometheus' text format."""
        ...

    async def swap_model(self, source: str | None) -> ModelInfo:
        """Load a model and use it."""
        ...


class Admin(Service):
    """Serves ``/healthz``, ``/readyz``, ``/metrics`` and, to this machine alone, ``POST /model``."""

    def __init__(self, settings: WorkerSettings, replica: Replica, **options: object) -> None:
        super().__init__(**options)
        self.settings, self.replica = settings, replica
        self.port: int | None = None
        self._runner: web.AppRunner | None = None

    async def on_start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken; the message names the setting.
        """
        app = web.Application(client_max_size=4096)
        app.add_routes(
            [
                web.get("/healthz", self._say(self.replica.ill)),
                web.get("/readyz", self._say(self.replica.unready)),
                web.get("/metrics", self._metrics),
                web.post("/model", self._model),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, auto_decompress=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.settings.http_host, self.settings.http_port, shutdown_timeout=1)
        try:
            await site.start()
        except OSError as error:
            where = f"{self.settings.http_host}:{self.settings.http_port}"
            raise OSError(
                error.errno,
                f"cannot listen on {where} ({error.strerror}): choose another --http-port, or 0 for a free one",
            ) from None
        self.port = self._runner.addresses[0][1]
        self.log.info("health, readiness and metrics at http://%s:%s", self.settings.http_host, self.port)

    async def on_stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    @staticmethod
    def _say(why_not: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def answer(_: web.Request) -> web.Response:
            problem = why_not()
            return web.Response(text=f"{problem or 'ok'}\n", status=HTTPStatus.SERVICE_UNAVAILABLE if problem else 200)

        return answer

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=self.replica.metrics_text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def _model(self, request: web.Request) -> web.Response:
        """Swap the model: ``{"source": "..."}``, or ``{}`` to read the present one's folder again.

        For callers on this machine only; a web page cannot send this content type here without asking, nor name
        this host by an address of its own.
        """
        if not (_is_loopback(request.remote) and _is_loopback(request.url.host)):
            return web.Response(text="only from this machine\n", status=HTTPStatus.FORBIDDEN)
        if request.content_type != "application/json":
            return web.Response(text="send application/json\n", status=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        try:
            body = await request.json()
            source = body.get("source")
            if source is not None and not isinstance(source, str):
                raise ValueError("source is not a string")  # noqa: TRY301
        except (
            ValueError,
            AttributeError,
            LookupError,
            RecursionError,
        ):  # what it says its charset is, and deep nesting
            return web.Response(text='send {"source": "folder of weights"}\n', status=HTTPStatus.BAD_REQUEST)
        try:
            model = await self.replica.swap_model(source)
        except SwapError as error:
            return web.Response(text=f"{error}\n", status=HTTPStatus.CONFLICT)
        return web.json_response(asdict(model))


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
