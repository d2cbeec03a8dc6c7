"""Feeds of incidents over HTTP, for those who poll: ``/feeds/incidents.cap`` and its kin, with ETag and pages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from urllib.parse import quote

from aiohttp import ETag, web

from stream_app.dashboard.state import DashboardState
from stream_app.decisions.shown import Shown
from stream_app.render.cap import CapOptions, cap_of_incident
from stream_app.render.feeds import FORMS
from stream_app.render.filter import Filter, parse_place
from stream_app.render.page import Page
from stream_app.settings import DashboardSettings

_SIZE, _MAX_SIZE = 100, 500
_ASKED = ("status", "severity", "place", "size")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Feeds:
    """Answers for one dashboard's state."""

    def __init__(self, settings: DashboardSettings, state: DashboardState) -> None:
        self._settings, self._state = settings, state
        self._cap = CapOptions(settings.cap_sender, settings.cap_status, settings.cap_scope)

    def add_to(self, router: web.UrlDispatcher) -> None:
        """The feeds' addresses."""
        router.add_get(f"/feeds/incidents.{{form:{'|'.join(FORMS)}}}", self.all)
        router.add_get("/feeds/incidents/{name}.cap", self.one)

    async def all(self, request: web.Request) -> web.Response:
        """A page of all incidents on show, the latest changed first, those that are over among them."""
        form = request.match_info["form"]
        page = self._page(request, form)
        kind, render = FORMS[form]
        links = ", ".join(f'<{address}>; rel="{relation}"' for relation, address in page.links().items())
        return _answer(request, render(page), kind, {"Link": links})

    async def one(self, request: web.Request) -> web.Response:
        """One incident's CAP message; of a merged one, that of what it was merged into."""
        name = request.match_info["name"]
        item = self._state.incidents().get(name)
        if item is None:
            root = self._state.board().root(name)
            if root in self._state.incidents():
                raise web.HTTPTemporaryRedirect(f"/feeds/incidents/{quote(root, safe='')}.cap")
            raise web.HTTPNotFound(text="No such incident on show.\n")
        said = cap_of_incident(item, self._cap, self._state.earlier(item))
        return _answer(request, f'<?xml version="1.0" encoding="UTF-8"?>\n{said}', "application/cap+xml", {})

    def _page(self, request: web.Request, form: str) -> Page:
        asked = {name: request.query[name] for name in _ASKED if request.query.get(name)}
        wanted = _wanted(asked)
        found = sorted(
            (item for item in self._state.incidents().values() if wanted(item)),
            key=lambda item: (item.at, item.incident.id),
            reverse=True,
        )
        size = _number(asked.get("size", str(_SIZE)), "size", _MAX_SIZE)
        pages = max(-(-len(found) // size), 1)
        number = _number(request.query.get("page", "1"), "page", pages)
        return Page(
            items=found[(number - 1) * size : number * size],
            home=f"{self._settings.address.rstrip('/')}/" if self._settings.address else f"{request.url.origin()}/",
            form=form,
            number=number,
            pages=pages,
            query=asked,
            updated=found[0].at if found else _EPOCH,
            cap=self._cap,
            earlier=self._state.earlier,
        )


def _wanted(asked: dict[str, str]) -> Callable[[Shown], bool]:
    try:
        passes = Filter(place=parse_place(asked["place"])).incident if "place" in asked else None
    except ValueError as error:
        raise web.HTTPBadRequest(text=f"{error}\n") from error

    def wanted(item: Shown) -> bool:
        incident = item.incident
        return (
            asked.get("status") in (None, incident.status, item.work.status)
            and asked.get("severity") in (None, incident.severity)
            and (passes is None or passes(incident))
        )

    return wanted


def _number(text: str, name: str, most: int) -> int:
    if not text.isascii() or not text.isdecimal() or not 1 <= int(text[:9]) <= most:
        raise web.HTTPBadRequest(text=f"{name} is a number from 1 to {most}.\n")
    return int(text)


def _answer(request: web.Request, text: str, kind: str, headers: dict[str, str]) -> web.Response:
    """The whole, or 304 where the client has it already (RFC 9110, section 13)."""
    body = text.encode()
    tag = ETag(hashlib.sha256(body).hexdigest()[:32])
    seen: Sequence[ETag] = request.if_none_match or ()
    if any(each.value in (tag.value, "*") for each in seen):
        answer = web.Response(status=304)
    else:
        answer = web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
    answer.etag = tag
    return answer
