"""The web application: the page, the stream of Server-Sent Events, thumbnails and verdicts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web
from aiokafka.errors import KafkaError
from pydantic import ValidationError

from stream_app.dashboard import page
from stream_app.dashboard.body import json_object
from stream_app.dashboard.explainer import Explainer, UnexplainedError
from stream_app.dashboard.feeds import Feeds
from stream_app.dashboard.guard import add_headers, allowed_names, guard
from stream_app.dashboard.hub import Hub
from stream_app.dashboard.past import Past
from stream_app.dashboard.state import DashboardState
from stream_app.dashboard.thumbnails import Thumbnails
from stream_app.dashboard.who import WHO, known, roles_of
from stream_app.decisions.act import Decision
from stream_app.kafka.clients import reason
from stream_app.probes import runner_of
from stream_app.settings import DashboardSettings

_MAX_VERDICT_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class Desk:
    """What the pages are made from. ``large`` makes photos on request, ``record`` stores one verdict (``verdicts``),
    ``decide`` one act on an incident (:func:`stream_app.decisions.store.decider`), ``explainer`` tells what moved it.
    """

    settings: DashboardSettings
    state: DashboardState
    hub: Hub
    thumbnails: Thumbnails
    large: Thumbnails
    record: Callable[[dict[str, Any]], Awaitable[None]]
    decide: Callable[[Decision], Awaitable[Decision]]
    explainer: Explainer
    past: Past
    heartbeat_s: float = 15.0
    patience_s: float = 10.0


DESK = web.AppKey("desk", Desk)


def build_app(desk: Desk) -> web.Application:
    """The dashboard as an aiohttp application; it does no Kafka I/O of its own."""
    names = allowed_names(desk.settings.host, desk.settings.allowed_hosts)
    app = web.Application(middlewares=[guard(names), known(desk.settings)], client_max_size=_MAX_VERDICT_BYTES)
    app[DESK] = desk
    app.on_response_prepare.append(add_headers)
    app.on_shutdown.append(_let_go)
    app.router.add_get("/", partial(page.answer, notice=desk.settings.notice))
    app.router.add_get("/health", _health)
    app.router.add_get("/stream", _stream)
    app.router.add_get("/photos/{card:[0-9a-f]{16}}/{index:[0-9]{1,2}}", _photo)
    app.router.add_get("/photos/{card:[0-9a-f]{16}}/{index:[0-9]{1,2}}/large", _large_photo)
    app.router.add_post("/why", _why)
    app.router.add_get("/past", _past)
    app.router.add_get("/me", _me)
    app.router.add_post("/verdicts", _verdict)
    app.router.add_post("/decisions", _decision)
    Feeds(desk.settings, desk.state).add_to(app.router)
    app.router.add_static("/static", page.STATIC)
    return app


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[str]:
    """Serve ``app`` until exit; yields its address, with the real port when ``port`` is 0."""
    runner = runner_of(app, shutdown_timeout=2.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0][1]
        yield f"http://{f'[{host}]' if ':' in host else host}:{bound}/"
    finally:
        await runner.cleanup()


async def _let_go(app: web.Application) -> None:
    app[DESK].hub.close()


async def _health(request: web.Request) -> web.Response:
    return web.json_response({"status": "up", "problems": list(request.app[DESK].state.problems.values())})


async def _me(request: web.Request) -> web.Response:
    settings, name = request.app[DESK].settings, request[WHO]
    return web.json_response(
        {"name": name, "roles": roles_of(name, settings), "proven": settings.user_header is not None}
    )


async def _stream(request: web.Request) -> web.StreamResponse:
    desk = request.app[DESK]
    if len(desk.hub) >= desk.settings.max_browsers:
        raise web.HTTPServiceUnavailable(text="Too many browsers are open on this dashboard; close some.\n")
    client = request.remote or ""
    if desk.hub.open_from(client) >= desk.settings.max_browsers_per_client:
        raise web.HTTPTooManyRequests(text="Too many pages of this dashboard are open from your address; close some.\n")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    with desk.hub.subscribe(client) as subscription:
        for frame in desk.hub.missed(request.headers.get("Last-Event-ID")):
            subscription.put(frame)
        try:
            async for frame in subscription.frames(desk.heartbeat_s):
                async with asyncio.timeout(desk.patience_s):
                    await response.write(frame)
        except (TimeoutError, ConnectionResetError):
            pass  # it stopped reading or went away
    if request.transport is not None:
        request.transport.abort()  # a polite end would wait for a reader that may not read
    return response


async def _photo(request: web.Request) -> web.Response:
    return await _picture(request, request.app[DESK].thumbnails)


async def _large_photo(request: web.Request) -> web.Response:
    return await _picture(request, request.app[DESK].large)


async def _picture(request: web.Request, made: Thumbnails) -> web.Response:
    """The photo that the address names, as JPEG made by ``made``: 404 unless on show, 409 when it is another by now."""
    card, index = request.match_info["card"], int(request.match_info["index"])
    seen = request.app[DESK].past.on_show(lambda state: state.image(card, index))
    picture = None if seen is None else await made.get(seen.url)
    if seen is None or picture is None:
        raise web.HTTPNotFound(text="No such photo on show.\n")
    if seen.sha256 is not None and picture.sha256 != seen.sha256:
        raise web.HTTPConflict(text="Changed since: at this address is another photo than the model saw.\n")
    return web.Response(
        body=picture.jpeg, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"}
    )


async def _why(request: web.Request) -> web.Response:
    """What moved the labels of a card on show; a post, since it costs the model a second or more."""
    desk = request.app[DESK]
    body = await json_object(request)
    event = desk.past.on_show(lambda state: state.event(str(body.get("card"))))
    if event is None:
        return web.json_response({"problem": "gone"}, status=404)
    try:
        return web.json_response(await desk.explainer.why(event))
    except UnexplainedError as error:
        return web.json_response({"problem": error.problem}, status=503)


async def _past(request: web.Request) -> web.Response:
    """Since when there are posts; with ``?until=`` those that came before that time."""
    past, asked = request.app[DESK].past, request.query.get("until")
    try:
        if asked is None:
            first = await past.first()
            return web.json_response(
                {"first": first and first.isoformat(), "minutes": past.length.total_seconds() / 60}
            )
        until = datetime.fromisoformat(asked)
        window = await past.window(until.replace(tzinfo=until.tzinfo or UTC).astimezone(UTC))
    except (ValueError, OverflowError) as error:
        raise web.HTTPBadRequest(text="until is a time such as 2026-03-14T09:30Z.\n") from error
    except TimeoutError as error:
        raise web.HTTPServiceUnavailable(text="Too much has come since to be passed over in a minute.\n") from error
    except KafkaError as error:
        raise web.HTTPServiceUnavailable(text=f"{reason(error)}\n") from error
    return web.json_response(window.view())


async def _verdict(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    try:
        body = await json_object(request)
        event = body.get("event")
        if isinstance(event, str) and event and not desk.past.on_show(lambda state: state.knows(event) or None):
            raise web.HTTPNotFound(
                text="This event is not on show: reload the page. One that has gone is judged by "
                "`crisis-stream feedback add`.\n"
            )
        if desk.settings.user_header is not None:
            body["analyst"] = request[WHO]
        await desk.record(body)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise web.HTTPBadRequest(text=f"Not a verdict: {problems}\n") from error
    except (ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text="Not a verdict: its text cannot be written down.\n") from error
    except KafkaError as error:
        raise web.HTTPServiceUnavailable(text=f"Kafka did not take it: {error}\n") from error
    return web.Response(status=204)


async def _decision(request: web.Request) -> web.Response:
    desk = request.app[DESK]
    body = await json_object(request)
    named = None if desk.settings.user_header is not None else body.get("by")
    try:
        decision = Decision.model_validate(
            {"incident": body.get("incident"), "act": body.get("act"), "by": named or request[WHO]}
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, p['loc']))}: {p['msg']}" for p in error.errors())
        raise web.HTTPBadRequest(text=f"Not an act on an incident: {problems}\n") from error
    board = desk.state.board()
    if decision.incident not in desk.state.incidents():
        raise web.HTTPNotFound(
            text="This incident is not on show: reload the page. One that has gone is acted on by "
            "`crisis-stream incident`.\n"
        )
    if (problem := board.objection(decision)) is not None:
        raise web.HTTPConflict(text=f"{problem}\n")
    try:
        stored = await desk.decide(decision)
    except (ValueError, TypeError) as error:
        raise web.HTTPBadRequest(text="Not an act on an incident: its text cannot be written down.\n") from error
    except KafkaError as error:
        raise web.HTTPServiceUnavailable(text=f"Kafka did not take it: {error}\n") from error
    return web.json_response({"id": stored.id}, status=201)
