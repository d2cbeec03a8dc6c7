"""Bluesky: Jetstream's ``/subscribe``, its old wire, which today's servers speak too.

https://github.com/bluesky-social/jetstream. ``cursor`` is a time in microseconds, and what happened at that time is
sent again. Hosts witness an event at slightly different times, so a stream that goes on at another one asks for a
little more, and what was sent before is left out by what it is (author, commit, record).
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from stream_app.settings import BlueskySettings
from stream_app.sources.frame import Frame, Gap, SourceError
from stream_app.sources.place import Place
from stream_app.sources.refusal import refused
from stream_app.sources.socket import MOST_BYTES, opened, plain, received

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_SILENT_S = 90.0
"""Jetstream pings every 30 s; three of them missing is a dead connection."""
_OVERLAP_US = 5_000_000
"""How far apart two hosts' clocks may be."""


class Bluesky:
    """Posts, reposts and deletions as Jetstream sends them; ``position`` is a time in microseconds."""

    name = "bluesky"

    def __init__(self, settings: BlueskySettings, since: datetime | None = None) -> None:
        self._settings = settings
        self._unpack = _unpacker(settings.zstd_dictionary)
        self._session = aiohttp.ClientSession()
        self._host = 0
        self.position = int((since.timestamp() if since else time.time()) * 1_000_000)

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def frames(self, place: Place) -> AsyncGenerator[Frame]:
        """One connection; see :class:`~stream_app.sources.frame.Network`."""
        host = self._settings.hosts[self._host]
        asked, began_us = self._cursor(place, host), int(time.time() * 1_000_000)
        first = True
        try:
            async with opened(self._session, host, params=self._asked(asked)) as socket:
                place.host = host
                while True:
                    frame = _frame(self._unpack(await received(socket, _SILENT_S)), began_us)
                    if first and frame.position is not None:
                        frame, first = frame._replace(gap=self._gap(asked, frame.position)), False
                    yield frame
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise refused(host, error) from error
        finally:
            if first:
                self._host = (self._host + 1) % len(self._settings.hosts)

    def _cursor(self, place: Place, host: str) -> int:
        if place.host in {host, ""}:
            return place.position
        return max(place.position - _OVERLAP_US, place.floor)

    def _asked(self, cursor: int) -> list[tuple[str, str]]:
        wanted = [("wantedCollections", each) for each in self._settings.collections]
        compressed = [("compress", "true")] if self._settings.zstd_dictionary else []
        return [*wanted, ("cursor", str(cursor)), *compressed]

    def _gap(self, asked: int, first: int) -> Gap | None:
        if first - asked < self._settings.gap_s * 1_000_000:
            return None
        return Gap(_moment(asked), _moment(first), "Jetstream no longer has what was asked for, or there was nothing")


def _unpacker(dictionary: Path | None) -> Any:
    """What turns a websocket message into JSON; of a compressed one at most 8 MiB are taken.

    Raises:
        SourceError: the dictionary cannot be read.
    """
    if dictionary is None:
        return plain
    try:
        known = zstd.ZstdDict(dictionary.read_bytes())
    except (OSError, ValueError, zstd.ZstdError) as error:
        raise SourceError(f"sources.bluesky.zstd_dictionary = {dictionary} cannot be used: {error}") from error

    def unpack(message: aiohttp.WSMessage) -> bytes:
        if message.type is aiohttp.WSMsgType.TEXT:
            return plain(message)
        try:
            return zstd.ZstdDecompressor(zstd_dict=known).decompress(message.data, MOST_BYTES)
        except zstd.ZstdError as error:
            raise SourceError(
                f"Jetstream's frames cannot be unpacked with {dictionary} ({error}): take the zstd_dictionary of the "
                "server's own version, or leave the setting out"
            ) from error

    return unpack


def _frame(value: bytes, began_us: int) -> Frame:
    """What an event is known by. What cannot be read goes into the feed as it is, to become a dead letter there."""
    try:
        event = orjson.loads(value)
        at, did, kind = int(event["time_us"]), str(event["did"]), event.get("kind", "commit")
    except (ValueError, TypeError, KeyError, AttributeError):
        return Frame(value)
    commit, account = _object(event, "commit"), _object(event, "account")
    again = at <= began_us
    if kind == "account" and account.get("active") is False:
        return Frame(value, did.encode(), f"{did} account {account.get('seq')}", at, again=again, judged=False)
    if kind != "commit":
        return Frame(None, position=at)
    record = f"{did}/{commit.get('collection')}/{commit.get('rkey')}"
    name = f"{record} {commit.get('rev')} {commit.get('operation')}"
    return Frame(value, record.encode(), name, at, again=again, judged=commit.get("operation") != "delete")


def _object(event: dict[str, Any], name: str) -> dict[str, Any]:
    found = event.get(name)
    return found if isinstance(found, dict) else {}


def _moment(microseconds: int) -> datetime:
    return datetime.fromtimestamp(microseconds / 1_000_000, UTC)
