"""What a failed request means: try again, after how long, or give up."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, TypeVar

import aiohttp
import orjson

from stream_app.sources.frame import DisconnectedError, SourceError

T = TypeVar("T", list[Any], dict[str, Any])

_HOPELESS = {
    400: "it does not understand what is asked; check the settings of this source",
    401: "the token is wrong or has expired; give a new one",
    403: "this token may not read that stream; check its scopes or the plan of the account",
    404: "there is no such stream; check the address",
    410: "there is no such stream any more; check the address",
    422: "it does not accept what is asked; check the settings of this source",
}


def refused(host: str, error: Exception) -> DisconnectedError | SourceError:
    """What to raise for an error of aiohttp or of the network."""
    if isinstance(error, aiohttp.WSServerHandshakeError | aiohttp.ClientResponseError):
        return answered(host, error.status, error.headers or {})
    return DisconnectedError(f"{host}: {str(error) or type(error).__name__}")


def answered(host: str, status: int, headers: Mapping[str, str], said: str = "") -> DisconnectedError | SourceError:
    """What to raise for an HTTP answer that is no stream; ``said`` is its body, which holds no secret of ours."""
    text = f"{host} answers {status}" + (f" ({said[:300]})" if said else "")
    if status in _HOPELESS:
        return SourceError(f"{text}: {_HOPELESS[status]}")
    return DisconnectedError(text, "rate" if status in {420, 429} else "http", _asked_for(headers))


async def asked(session: aiohttp.ClientSession, url: str, wanted: type[T], *, method: str = "GET", **request: Any) -> T:
    """The JSON answer to a request, a list or an object as ``wanted``.

    Raises:
        DisconnectedError: it was refused for now, or the answer is something else.
        SourceError: it was refused for good.
    """
    async with session.request(method, url, **request) as answer:
        said = await answer.read()
        if answer.status not in {200, 201}:
            raise answered(url, answer.status, answer.headers, said[:300].decode(errors="replace"))
    try:
        found = orjson.loads(said)
    except ValueError:
        found = None
    if not isinstance(found, wanted):
        raise DisconnectedError(f"{url} answers with something that is no {wanted.__name__}", "http")
    return found


def _asked_for(headers: Mapping[str, str]) -> float:
    """Seconds, from ``Retry-After`` or X's ``x-rate-limit-reset``; 0 where neither says."""
    for name, now in (("Retry-After", 0.0), ("x-rate-limit-reset", time.time())):
        try:
            return max(float(headers[name]) - now, 0.0)
        except (KeyError, ValueError):
            continue
    return 0.0
