"""Protections of the dashboard's own pages: who may ask (Host, Origin) and what a page may do (CSP and kin).

DNS rebinding: a hostile page's name that resolves to loopback still carries its own name in ``Host``.
Cross-site requests: https://cheatsheetseries.owasp.org (CSRF), "Verifying Origin With Standard Headers".
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-cache",
}


_MAX_PATH = 255
"""Bytes: a file's longest name. Looking for one with a longer name is an error, and none of our paths comes near."""


def is_loopback(host: str) -> bool:
    """Whether ``host`` (a name or address to listen on) can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_names(host: str, extra: tuple[str, ...]) -> frozenset[str]:
    """Names that ``Host`` may carry for a server listening on ``host``: ``extra``, and perhaps loopback's.

    Loopback's names are answered where it listens on loopback, and where no name was given: a page whose name was
    rebound would else read everything.
    """
    own = frozenset({"127.0.0.1", "localhost", "::1"})
    if is_loopback(host):
        return own | {host, *extra}
    return frozenset(extra) or own


def _name(authority: str) -> str | None:
    try:
        return urlsplit(f"//{authority}").hostname
    except ValueError:
        return None


def same_origin(request: web.Request) -> bool:
    """Whether a request that changes something comes from our own page, judged by ``Origin``."""
    origin = request.headers.get("Origin", "")
    try:
        return bool(origin) and urlsplit(origin).netloc == request.host
    except ValueError:  # such as an address in brackets that do not close
        return False


def guard(names: frozenset[str]) -> Middleware:
    """Middleware: refuses a foreign ``Host`` and cross-site writes, with a sentence that says what to do."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if _name(request.host) not in names:
            return web.Response(
                status=421,
                text="This dashboard does not answer to that host name. Use the address it printed at its start, "
                "or start it with --allowed-host NAME.\n",
            )
        if len(request.rel_url.raw_path) > _MAX_PATH:
            return web.Response(status=414, text="Nothing here has so long an address.\n")
        if request.method not in {"GET", "HEAD"} and not same_origin(request):
            return web.Response(status=403, text="Only the dashboard's own page may send this.\n")
        return await handler(request)

    return middleware


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:  # noqa: ARG001
    """Signal handler: the protective headers go on every response, errors and streams included."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
