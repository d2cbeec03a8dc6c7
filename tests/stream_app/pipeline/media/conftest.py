"""Images of every kind, and a hostile image host on loopback."""

from __future__ import annotations

import asyncio
import gzip
import io
from collections import Counter
from collections.abc import AsyncIterator, Callable

import numpy as np
import pytest
from aiohttp import web
from PIL import Image

from stream_app.pipeline.media.fetch import MediaFetcher
from stream_app.settings import MediaSettings


def picture(width: int = 320, height: int = 200, mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right: which way is up can be seen."""
    image = Image.new("RGB", (width, height), "red")
    image.paste("blue", (width // 2, 0, width, height))
    return image.convert(mode)


def encoded(image: Image.Image, form: str = "JPEG", **options) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def noise(width: int = 320, height: int = 200) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def prepare(image: Image.Image) -> np.ndarray:
    return np.asarray(image.resize((32, 32)), dtype=np.uint8)


class HostileHost:
    """Serves one bad thing per path; ``hits`` counts requests, ``headers`` keeps the last request's."""

    def __init__(self) -> None:
        self.hits: Counter[str] = Counter()
        self.headers: dict[str, str] = {}
        self.port = 0
        self.photo = encoded(picture())
        self.release = asyncio.Event()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.strip("/")
        self.hits[path] += 1
        self.headers = dict(request.headers)
        kind = path.partition("/")[0]
        return await getattr(self, f"_{kind.replace('-', '_')}")(request)

    async def _photo(self, request):
        return web.Response(body=self.photo, content_type="image/jpeg")

    async def _mislabelled(self, request):
        return web.Response(body=self.photo, content_type="text/html")

    async def _html(self, request):
        return web.Response(text="<html>not a photo</html>" * 100, content_type="image/jpeg")

    async def _svg(self, request):
        return web.Response(
            text="<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", content_type="image/svg+xml"
        )

    async def _gif(self, request):
        return web.Response(body=encoded(picture(), "GIF"), content_type="image/gif")

    async def _missing(self, request):
        raise web.HTTPNotFound

    async def _busy(self, request):
        return web.Response(status=429, headers={"Retry-After": "60"})

    async def _empty(self, request):
        return web.Response(body=b"", content_type="image/jpeg")

    async def _cut(self, request):
        return web.Response(body=self.photo[: len(self.photo) // 2], content_type="image/jpeg")

    async def _announces_much(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(10**9), "Content-Type": "image/jpeg"})
        await response.prepare(request)
        await self.release.wait()
        return response

    async def _announces_more(self, request):
        request.protocol.keep_alive(False)
        response = web.StreamResponse(headers={"Content-Length": str(len(self.photo) + 100)})
        await response.prepare(request)
        await response.write(self.photo)
        request.transport.close()
        return response

    async def _announces_less(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(len(self.photo) // 2)})
        await response.prepare(request)
        await response.write(self.photo[: len(self.photo) // 2])
        request.transport.write(self.photo[len(self.photo) // 2 :])
        return response

    async def _endless(self, request):
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        block = self.photo + bytes(65536)
        while not self.release.is_set():
            await response.write(block)
        return response

    async def _gzip(self, request):
        bomb = gzip.compress(self.photo + bytes(50_000_000), 1)
        return web.Response(body=bomb, headers={"Content-Encoding": "gzip", "Content-Type": "image/jpeg"})

    async def _silent(self, request):
        await self.release.wait()
        return web.Response()

    async def _drip(self, request):
        response = web.StreamResponse(headers={"Content-Length": str(len(self.photo))})
        await response.prepare(request)
        for byte in self.photo:
            if self.release.is_set():
                break
            await response.write(bytes([byte]))
            await asyncio.sleep(0.05)
        return response

    async def _drop(self, request):
        request.transport.abort()
        return web.Response()

    async def _to(self, request):
        return web.Response(status=302, headers={"Location": request.query_string})

    async def _nowhere(self, request):
        return web.Response(status=302)

    async def _loop(self, request):
        raise web.HTTPFound("/loop")

    async def _big(self, request):
        return web.Response(body=encoded(noise(1200, 900), "PNG"))


@pytest.fixture
async def host() -> AsyncIterator[HostileHost]:
    hostile = HostileHost()
    app = web.Application()
    app.router.add_get("/{path:.*}", hostile.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hostile.port = site._server.sockets[0].getsockname()[1]
    yield hostile
    hostile.release.set()
    await runner.cleanup()


@pytest.fixture
def settings(host: HostileHost) -> MediaSettings:
    """Loopback is allowed here, as a demo allows it; nothing else that is not public."""
    return MediaSettings(allowed_private=("127.0.0.1/32",), allowed_ports=(host.port,), deadline_s=1.0)


@pytest.fixture
async def fetcher_of(settings: MediaSettings) -> AsyncIterator[Callable[..., MediaFetcher]]:
    """``await fetcher_of(deadline_s=...)``: a running fetcher with some settings changed."""
    running: list[MediaFetcher] = []

    async def start(resolver=None, prepare=prepare, **changes) -> MediaFetcher:
        fetcher = MediaFetcher(settings.model_copy(update=changes), prepare, resolver=resolver)
        running.append(await fetcher.__aenter__())
        return fetcher

    yield start
    for fetcher in running:
        await fetcher.__aexit__(None, None, None)
