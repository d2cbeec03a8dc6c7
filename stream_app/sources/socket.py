"""What the websocket of any network hands over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp

from stream_app.sources.frame import DisconnectedError

MOST_BYTES = 8 * 1024 * 1024
_GOODBYE_S = 1.0


@asynccontextmanager
async def opened(session: aiohttp.ClientSession, url: str, **options: Any) -> AsyncIterator[Any]:
    """A websocket, closed within a second at the end: aiohttp would read on for as long as the server writes on."""
    socket = await session.ws_connect(url, max_msg_size=MOST_BYTES, autoclose=False, **options)
    try:
        yield socket
    finally:
        with suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await socket.close()


async def received(socket: aiohttp.ClientWebSocketResponse, silent_s: float) -> aiohttp.WSMessage:
    """The next message; pings are answered and count as signs of life.

    Raises:
        DisconnectedError: the stream ended, or nothing came for ``silent_s``.
    """
    try:
        message = await socket.receive(timeout=silent_s)
    except TimeoutError:
        raise DisconnectedError(f"silent for {silent_s:.0f} s") from None
    if message.type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
        return message
    raise DisconnectedError(f"the server closed the stream ({socket.close_code or message.type.name})")


def plain(message: aiohttp.WSMessage) -> bytes:
    """The bytes of a message that is not packed."""
    data = message.data
    return data.encode(errors="surrogatepass") if isinstance(data, str) else bytes(data)
