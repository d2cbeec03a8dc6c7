"""Mastodon: the streaming API by websocket, and the timelines' REST API for what was missed while away.

https://docs.joinmastodon.org/methods/streaming/ and /methods/timelines/. A stream has no past, but ids tell time
(milliseconds in all but the lowest 16 bits), so after a connection is made, each timeline is read from the place on by
``min_id``, page after page. Edits and deletions that happened meanwhile are in no timeline and stay unknown.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import orjson

from stream_app.settings import MastodonSettings
from stream_app.sources.frame import Frame, Gap, SourceError
from stream_app.sources.place import Place
from stream_app.sources.refusal import asked, refused
from stream_app.sources.socket import opened, plain, received

_SILENT_S = 90.0
"""Mastodon pings every 30 s."""
_LATE_MS = 60_000
"""Other servers' statuses arrive late, with ids of the time they were written."""
_PAGE = 40
_EDITS = {"update", "status.update"}


class Mastodon:
    """Statuses, edits and deletions of public timelines; ``position`` is the highest id seen."""

    name = "mastodon"

    def __init__(self, settings: MastodonSettings) -> None:
        if not settings.token:
            raise SourceError("Mastodon's streams need a token: set CRISIS_STREAM_SOURCES__MASTODON__TOKEN")
        self._settings = settings
        self._base = settings.server.rstrip("/")
        headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
        self._session = aiohttp.ClientSession(
            headers=headers, timeout=aiohttp.ClientTimeout(total=None, sock_connect=30)
        )
        self.position = _id_of(time.time() * 1000)

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def frames(self, place: Place) -> AsyncGenerator[Frame]:
        """One connection, first what was missed before it; see :class:`~stream_app.sources.frame.Network`."""
        try:
            async with opened(self._session, f"{self._base}/api/v1/streaming") as socket:
                place.host = self._base
                for stream in self._settings.streams:
                    await socket.send_str(json.dumps({"type": "subscribe", **_stream(stream)}))
                # The stream is open: what happens from here on waits in the socket while the past is read.
                yield Frame()
                async for frame in self._missed(place):
                    yield frame
                while True:
                    yield _frame(plain(await received(socket, _SILENT_S)), place.position)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise refused(self._base, error) from error

    async def _missed(self, place: Place) -> AsyncGenerator[Frame]:
        """The statuses of each timeline after the place, oldest first."""
        since = place.position
        if place.heard == 0.0:
            return
        first = max(min(since - (_LATE_MS << 16), since), 1)
        for stream in self._settings.streams:
            at = str(first)
            for _ in range(self._settings.fill_pages):
                page = await self._page(stream, at)
                for status in sorted(page, key=_number):
                    yield _missed_frame(status, place.position)
                if len(page) < _PAGE:
                    break
                at = str(max(page, key=_number)["id"])
            else:
                why = f"{stream}: more than sources.mastodon.fill_pages = {self._settings.fill_pages} pages"
                yield Frame(gap=Gap(_moment(int(at)), datetime.now(UTC), why))

    async def _page(self, stream: str, after: str) -> list[dict[str, Any]]:
        path, query = _timeline(stream)
        query |= {"min_id": after, "limit": str(_PAGE)}
        page = await asked(self._session, f"{self._base}{path}", list, params=query)
        return [status for status in page if isinstance(status, dict) and isinstance(status.get("id"), str)]


def _stream(name: str) -> dict[str, str]:
    """What to subscribe to for ``public``, ``public:local``, ``hashtag:TAG`` ..."""
    kind, _, tag = name.partition(":")
    if kind == "hashtag":
        local, _, of = tag.partition(":")
        return {"stream": "hashtag:local", "tag": of} if local == "local" and of else {"stream": "hashtag", "tag": tag}
    return {"stream": name}


def _timeline(name: str) -> tuple[str, dict[str, str]]:
    stream = _stream(name)
    parts = stream["stream"].split(":")
    query = {part: "true" for part in parts[1:] if part in {"local", "remote"}}
    if "media" in parts:
        query["only_media"] = "true"
    path = f"/api/v1/timelines/tag/{stream['tag']}" if "tag" in stream else "/api/v1/timelines/public"
    return path, query


def _frame(value: bytes, highest: int) -> Frame:
    """What a message of the stream is known by. What cannot be read goes into the feed, to become a dead letter."""
    try:
        message = orjson.loads(value)
        kind, payload = message.get("event"), message.get("payload")
        if kind is None and "error" in message:
            raise SourceError(f"Mastodon: {message['error']}: check sources.mastodon.streams and the token's scopes")
        if kind == "delete":
            return Frame(value, str(payload).encode(), f"{payload} deleted", judged=False)
        if kind not in _EDITS:
            return Frame()
        status = orjson.loads(payload) if isinstance(payload, str) else payload
        number = _number(status)
        return Frame(value, str(status["id"]).encode(), _version(status), max(highest, number), number)
    except (ValueError, TypeError, KeyError, AttributeError):
        return Frame(value)


def _missed_frame(status: dict[str, Any], highest: int) -> Frame:
    number = _number(status)
    return Frame(
        orjson.dumps(status), status["id"].encode(), _version(status), max(highest, number), number, again=True
    )


def _version(status: dict[str, Any]) -> str:
    return f"{status['id']} {status.get('edited_at')}"


def _number(status: dict[str, Any]) -> int:
    """A status's id as a number; 0 where another software than Mastodon's gives others."""
    found = str(status.get("id"))
    return int(found) if found.isascii() and found.isdigit() and len(found) < 20 else 0


def _id_of(milliseconds: float) -> int:
    return int(milliseconds) << 16


def _moment(number: int) -> datetime:
    return datetime.fromtimestamp((number >> 16) / 1000, UTC)
