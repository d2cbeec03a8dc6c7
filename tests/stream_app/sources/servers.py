"""Loopback servers that speak the networks' own protocols, with messages made here."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager, suppress

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
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
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


def status(number, text="Flood", edited=None, **fields):
    """A Mastodon status; ids tell time, as Mastodon's do."""
    return {
        "id": str(number),
        "uri": f"https://example.org/s/{number}",
        "created_at": "2026-01-01T00:00:00.000Z",
        "edited_at": edited,
        "content": f"<p>{text}</p>",
        "visibility": "public",
        "language": "en",
        "account": {"id": "1", "uri": "https://example.org/u/1"},
        "media_attachments": [],
        **fields,
    }


class MastodonServer:
    """The streaming API of one server and its public timeline; statuses are written, edited and deleted."""

    def __init__(self, token="secret-token"):
        self.token, self.statuses, self.sockets, self.subscribed, self.pages = token, {}, [], [], []
        self.last = int(time.time() * 1000) << 16

    def write(self, at=None):
        self.last = max(self.last + 1, int(time.time() * 1000) << 16) if at is None else self.last
        number = self.last if at is None else at
        self.statuses[number] = status(number)
        return number, self._say("update", json.dumps(self.statuses[number]))

    def edit(self, number):
        self.statuses[number] = status(number, "False alarm", "2026-01-02T00:00:00Z")
        return self._say("status.update", json.dumps(self.statuses[number]))

    def delete(self, number):
        del self.statuses[number]
        return self._say("delete", str(number))

    async def _say(self, event, payload):
        for socket in list(self.sockets):
            with suppress(ConnectionError):
                await socket.send_str(json.dumps({"stream": ["public"], "event": event, "payload": payload}))

    def _welcome(self, request):
        return request.headers.get("Authorization") == f"Bearer {self.token}"

    async def streaming(self, request):
        if not self._welcome(request):
            return web.Response(status=401)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            asked = json.loads(message.data)
            self.subscribed.append(asked)
            if asked["stream"] == "nonsense":
                await socket.send_str(json.dumps({"error": "Unknown channel name"}))
            self.sockets.append(socket)
        self.sockets = [each for each in self.sockets if each is not socket]
        return socket

    async def cut(self):
        for socket in self.sockets:
            await socket.close()
        self.sockets = []

    async def public(self, request):
        """``min_id`` gives the page right after it, newest first, as Mastodon does."""
        if not self._welcome(request):
            return web.Response(status=401)
        after, most = int(request.query["min_id"]), int(request.query["limit"])
        self.pages.append(dict(request.query))
        newer = sorted(number for number in self.statuses if number > after)[:most]
        return web.json_response([self.statuses[number] for number in reversed(newer)])

    def routes(self):
        return [web.get("/api/v1/streaming", self.streaming), web.get("/api/v1/timelines/public", self.public)]


def tweet(number):
    return {"data": {"id": str(number), "text": "Flood", "author_id": "5", "created_at": "2026-01-01T00:00:00.000Z"}}


class XServer:
    """X's filtered stream: rules, keep-alives, backfill; ``write`` posts, to whoever listens."""

    def __init__(self, token="secret-token"):
        self.token, self.rules, self.asked, self.listeners, self.posts = token, {}, [], [], []
        self.answers = []
        self.opened = 0
        self.last = 0

    def write(self):
        self.last = max(self.last + 1, (int(time.time() * 1000) - 1_288_834_974_657) << 22)
        self.posts.append((time.time(), self.last))
        for queue in self.listeners:
            queue.put_nowait(json.dumps(tweet(self.last)).encode() + b"\r\n")
        return self.last

    def say(self, line):
        for queue in self.listeners:
            queue.put_nowait(line)

    async def stream(self, request):
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response({"title": "Unauthorized"}, status=401)
        self.asked.append(dict(request.query))
        if self.answers:
            return web.Response(status=self.answers.pop(0), headers={"Retry-After": "0"})
        answer = web.StreamResponse()
        await answer.prepare(request)
        queue = asyncio.Queue()
        back = int(request.query.get("backfill_minutes", 0)) * 60
        for at, number in self.posts:
            if at >= time.time() - back:
                queue.put_nowait(json.dumps(tweet(number)).encode() + b"\r\n")
        self.listeners.append(queue)
        self.opened += 1
        try:
            await answer.write(b"\r\n")
            while (line := await queue.get()) is not None:
                await answer.write(line)
        finally:
            self.listeners.remove(queue)
        return answer

    async def show(self, request):
        return web.json_response(
            {"data": [{"id": k, **v} for k, v in self.rules.items()]} if self.rules else {"meta": {}}
        )

    async def change(self, request):
        body = await request.json()
        for number in body.get("delete", {}).get("ids", []):
            del self.rules[number]
        errors = []
        for rule in body.get("add", []):
            if "BAD" in rule["value"]:
                errors.append({"value": rule["value"], "title": "Invalid Rule"})
            else:
                self.rules[str(100 + len(self.rules))] = rule
        return web.json_response({"meta": {}, **({"errors": errors} if errors else {})}, status=201)

    def routes(self):
        path = "/2/tweets/search/stream"
        return [web.get(path, self.stream), web.get(f"{path}/rules", self.show), web.post(f"{path}/rules", self.change)]
