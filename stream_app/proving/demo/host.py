"""The picture host of the demo: on loopback, with pictures that come, come late, come broken or do not come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from aiohttp import web

from stream_app.proving.demo.pictures import SCENES, VARIANTS, picture

_SLOW_S = 30.0
"""Longer than the fetcher waits."""


@asynccontextmanager
async def picture_host(folder: Path | None = None) -> AsyncIterator[str]:
    """Serve the drawn pictures, or the files of ``folder`` where one is given; yields the address, a free port."""
    app, drawing, done = web.Application(), None, threading.Event()
    if folder is not None:
        app.router.add_static("/", folder)
    else:
        drawing = asyncio.ensure_future(asyncio.to_thread(_draw_all, done))  # while Kafka starts
        app.router.add_get("/{name}.jpg", _picture)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        done.set()
        if drawing is not None:
            await drawing


async def _picture(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name == "slow":
        await asyncio.sleep(_SLOW_S)
    if name == "page":
        return web.Response(text="<html>not a picture</html>", content_type="image/jpeg")
    if name == "broken":
        return web.Response(body=_drawn("camp", 0)[:4000], content_type="image/jpeg")
    scene, _, seed = name.partition("-")
    if scene not in SCENES and name != "slow":
        raise web.HTTPNotFound
    return web.Response(body=_drawn(scene if scene in SCENES else "beach", int(seed or 0)), content_type="image/jpeg")


def _draw_all(done: threading.Event) -> None:
    """Draw ahead, so that a busy machine does not make the host look slow."""
    for scene in SCENES:
        for seed in range(VARIANTS):
            if done.is_set():
                return
            _drawn(scene, seed)


@lru_cache(maxsize=64)
def _drawn(scene: str, seed: int) -> bytes:
    return picture(scene, seed)
