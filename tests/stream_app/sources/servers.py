"""Loopback servers that speak the networks' own protocols, with messages made here."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager

from aiohttp import web

try:
    from compression import zstd
except ImportError:
    from backports import zstd


@asynccontextmanager
async def serving(routes):
    """The address of a server of these routes."""
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1)
    await site.start()
    try:
        yield f"127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def post_event(number, time_us, text="Flood in the town", operation="create"):
    """A Jetstream commit; its rkey is its number."""
    record = {"$type": "app.bsky.feed.post", "text": text, "createdAt": "2026-01-01T00:00:00Z", "langs": ["en"]}
    commit = {"rev": f"rev{number}", "operation": operation, "collection": "app.bsky.feed.post", "rkey": str(number)}
    if operation != "delete":
        commit |= {"record": record, "cid": "bafy"}
    return {"did": f"did:plc:a{number % 7}", "time_us": time_us, "kind": "commit", "commit": commit}


async def heard(socket):
    """Read what a client says, as a real server does: pongs, and the wish to close."""
    async for _ in socket:
        pass


class Jetstream:
    """``/subscribe`` of one host: events at ``rate`` a second, kept for ``keeps_s``, shown ``skew_us`` late.

    As the real one: the cursor is inclusive, a cursor in the future is the live tip, other kinds come whatever is
    wanted, and with ``compress`` each message is one zstd frame with the dictionary.
    """

    def __init__(self, rate=400.0, keeps_s=3600.0, skew_us=0, dictionary=None, breaks_every=None):
        self.rate, self.keeps_s, self.skew_us, self.breaks_every = rate, keeps_s, skew_us, breaks_every
        self.dictionary = dictionary
        self.start_us = int(time.time() * 1e6)
        self.asked = []
        self.refuses = None

    def events(self, after_us, until_us):
        """The events witnessed in ``[after, until)``."""
        step = 1e6 / self.rate
        first = max(int((after_us - self.start_us - self.skew_us) // step), 0)
        for number in range(first, int((until_us - self.start_us) // step) + 2):
            at = self.start_us + int(number * step) + self.skew_us
            if after_us <= at < until_us:
                yield number, at

    def message(self, number, at):
        if number % 50 == 7:
            return {"did": "did:plc:i", "time_us": at, "kind": "identity", "identity": {"did": "did:plc:i"}}
        return post_event(number, at, operation="delete" if number % 50 == 9 else "create")

    async def subscribe(self, request):
        self.asked.append(request.query)
        if self.refuses is not None:
            return web.Response(status=self.refuses, text="no")
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        now = int(time.time() * 1e6)
        at = min(int(request.query.get("cursor", now)), now)
        at = max(at, now - int(self.keeps_s * 1e6))
        sent = 0
        listening = asyncio.create_task(heard(socket))
        while not listening.done():
            now = int(time.time() * 1e6)
            for number, time_us in self.events(at, now):
                try:
                    await self._send(socket, json.dumps(self.message(number, time_us)), "compress" in request.query)
                except ConnectionError:
                    return socket
                sent += 1
                if self.breaks_every and sent % self.breaks_every == 0:
                    await socket.close()
                    return socket
            at = now
            await asyncio.sleep(0.01)
        return socket

    async def _send(self, socket, text, compress):
        if compress:
            packed = zstd.compress(text.encode(), zstd_dict=self.dictionary)
            await socket.send_bytes(packed)
        else:
            await socket.send_str(text)

    def routes(self):
        return [web.get("/subscribe", self.subscribe)]
