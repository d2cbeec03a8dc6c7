"""Who asks, and what they may do: a proxy says who it is in a header, or everybody is the local user.

The header counts only when the connection comes from a trusted proxy, which must strip what a
client sends under its name.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Literal

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from stream_app.settings import DashboardSettings

Role = Literal["see", "judge", "decide"]
WHO = web.RequestKey("who", str)
_MAX_NAME = 200
_FREE = ("/health", "/static/")
"""A supervisor asks for the one, and the page's own files are everybody's."""
_DEEDS: dict[str, Role] = {"/verdicts": "judge", "/decisions": "decide"}


def known(settings: DashboardSettings) -> Middleware:
    """Middleware: notes who asks in ``request[WHO]``; 401 where the proxy does not say, 403 where the role lacks."""
    identify = _identified(settings)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_FREE):
            return await handler(request)
        name = identify(request)
        if name is None:
            return web.Response(
                status=401, text=f"Who are you? {settings.user_header} is missing: come by way of the proxy.\n"
            )
        role = _DEEDS.get(request.path, "see")
        if role not in roles_of(name, settings):
            return web.Response(status=403, text=f"{name} may not {role} here: dashboard.roles.{role} says who may.\n")
        request[WHO] = name
        return await handler(request)

    return middleware


def roles_of(name: str, settings: DashboardSettings) -> list[Role]:
    """What ``name`` may do."""
    roles: tuple[Role, ...] = ("see", "judge", "decide")
    return [role for role in roles if {name, "*"} & getattr(settings.roles, role)]


def _identified(settings: DashboardSettings) -> Callable[[web.Request], str | None]:
    header = settings.user_header
    if header is None:
        return lambda _request: settings.user
    trusted = [ipaddress.ip_network(network) for network in settings.trusted_proxies]

    def identify(request: web.Request) -> str | None:
        names = request.headers.getall(header, [])
        name = names[0].strip() if len(names) == 1 else ""  # two of them: one may be the client's
        if not name or len(name) > _MAX_NAME or not _within(request.remote, trusted):
            return None
        return name

    return identify


def _within(address: str | None, networks: list[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None) or found
    return any(mapped in network for network in networks)
