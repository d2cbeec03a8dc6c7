"""The body of a request, which a stranger may have written: small, plain, UTF-8, one JSON object."""

from __future__ import annotations

import codecs
import json
from typing import Any

from aiohttp import web


async def json_object(request: web.Request) -> dict[str, Any]:
    """The JSON object that a request carries.

    Raises:
        aiohttp.web.HTTPException: 413 when it is too long, 415 when it is compressed or not in UTF-8, 400 when it is
            no JSON object or one nested too deep to read.
    """
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise web.HTTPUnsupportedMediaType(text="Send the body as it is, not compressed.\n")
    if not _is_utf8(request.charset or "utf-8"):
        raise web.HTTPUnsupportedMediaType(text="Send the body in UTF-8.\n")
    raw = await request.read()
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise web.HTTPBadRequest(text="The body is not JSON.\n") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.\n")
    return body


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False
