"""A replica's small web server: health, readiness, metrics, and the swap of its model."""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from typing import Protocol

from aiohttp import web

from model.scorer import ModelInfo
from stream_app.pipeline.labelling.models import SwapError
from stream_app.probes import Patient, Probes
from stream_app.settings import WorkerSettings


class Replica(Patient, Protocol):
    """What the server tells of and asks for."""

    async def swap_model(self, source: str | None) -> ModelInfo:
        """Load a model and use it."""
        ...


class Admin(Probes):
    """Serves ``/healthz``, ``/readyz``, ``/metrics`` and, to this machine alone, ``POST /model``."""

    def __init__(self, settings: WorkerSettings, replica: Replica, **options: object) -> None:
        more = [web.post("/model", self._model)]
        super().__init__(settings.http_host, settings.http_port, replica, more, **options)
        self.replica = replica

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
            if source is not None and not (isinstance(source, str) and source.isprintable()):
                raise ValueError("source is no name of a folder")  # noqa: TRY301
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
        return web.json_response({"name": model.name, "version": model.version, "hash": model.hash})


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
