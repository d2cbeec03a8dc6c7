"""Ways to reach people: a signed webhook, and Apprise for chats and mail. A call gets through or says what to do."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import logging
import math
import time
from collections.abc import Sequence
from typing import Any, Protocol

import aiohttp

from stream_app import __version__
from stream_app.notify.notice import Notice
from stream_app.settings import NotifyChannel

logger = logging.getLogger(__name__)

EVENT_TYPE = "io.crisis-stream.notification.v1"
_AGAIN = frozenset({408, 409, 423, 425, 429})
_LONGEST_WAIT_S = 3600.0
_READ_BYTES = 2_000
_PREFIX = "whsec_"


class NotNowError(Exception):
    """The call did not get through; worth trying again, after ``after_s`` where the receiver said so."""

    def __init__(self, problem: str, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s


class RefusedError(Exception):
    """The receiver will not have it, now or later."""


class Channel(Protocol):
    """Something that can be told."""

    async def tell(self, delivery: str, notices: Sequence[Notice]) -> None:
        """Tell ``notices``, at least one, in one message.

        Raises:
            NotNowError: to be tried again.
            RefusedError: not to be tried again.
        """
        ...


class Webhook:
    """POST of one CloudEvent in JSON, signed as https://www.standardwebhooks.com asks.

    ``Idempotency-Key`` and ``webhook-id`` are the delivery's key: the same when the same is sent again. Redirects are
    not followed: what was signed for one receiver is no other's.
    """

    def __init__(self, settings: NotifyChannel, web: aiohttp.ClientSession) -> None:
        assert settings.webhook is not None
        self._url, self._web = settings.webhook, web
        self._timeout = aiohttp.ClientTimeout(total=settings.timeout_s)
        secret, _ = settings.secrets()
        self._key = None if secret is None else _signing_key(secret)

    async def tell(self, delivery: str, notices: Sequence[Notice]) -> None:
        """See :meth:`Channel.tell`."""
        body = json.dumps(message(delivery, notices), ensure_ascii=False, separators=(",", ":")).encode()
        headers = {
            "Content-Type": "application/cloudevents+json; charset=utf-8",
            "User-Agent": f"crisis-stream/{__version__}",
            "Idempotency-Key": f'"{delivery}"',  # a string of RFC 8941, as the IETF draft has it
            **signature(self._key, delivery, int(time.time()), body),
        }
        try:
            async with self._web.post(
                self._url, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as answer:
                said = await answer.content.read(_READ_BYTES)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise NotNowError(f"{type(error).__name__}: {error}".rstrip(": ")) from error
        _judge(answer, said)


def message(delivery: str, notices: Sequence[Notice]) -> dict[str, Any]:
    """The CloudEvent of a delivery; the same whenever it is made of the same notices."""
    return {
        "specversion": "1.0",
        "id": delivery,
        "source": "/crisis-stream/notify",
        "type": EVENT_TYPE,
        "subject": notices[-1].subject,
        "time": notices[-1].at.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "channel": notices[0].channel,
            "notices": [
                notice.model_dump(
                    mode="json",
                    include={"key", "rule", "kind", "subject", "severity", "status", "title", "lines", "data", "at"},
                )
                for notice in notices
            ],
        },
    }


def signature(key: bytes | None, delivery: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of Standard Webhooks: id, POSIX time in seconds, and HMAC-SHA256 over both and the body."""
    headers = {"webhook-id": delivery, "webhook-timestamp": str(at)}
    if key is not None:
        made = hmac.digest(key, f"{delivery}.{at}.".encode() + body, hashlib.sha256)
        headers["webhook-signature"] = f"v1,{base64.b64encode(made).decode()}"
    return headers


def _signing_key(secret: str) -> bytes:
    return (
        base64.b64decode(secret.removeprefix(_PREFIX), validate=True) if secret.startswith(_PREFIX) else secret.encode()
    )


def _judge(answer: aiohttp.ClientResponse, said: bytes) -> None:
    if 200 <= answer.status < 300:
        return
    problem = f"answered {answer.status} {said.decode(errors='replace').strip()[:200]}".rstrip()
    if answer.status in _AGAIN or answer.status >= 500:
        raise NotNowError(problem, _seconds(answer.headers.get("Retry-After")))
    raise RefusedError(problem)


def _seconds(header: str | None) -> float | None:
    try:
        wait = float(header or "")
    except ValueError:
        return None
    return min(max(wait, 0.0), _LONGEST_WAIT_S) if math.isfinite(wait) else None


class Chat:
    """A chat or mail box that Apprise knows. It has no idempotency keys: see ``docs/notify.md``."""

    def __init__(self, settings: NotifyChannel) -> None:
        """Raises ValueError where Apprise cannot read the address."""
        from apprise import Apprise

        _, address = settings.secrets()
        assert address is not None
        self._apprise = Apprise()
        if not self._apprise.add(address):
            raise ValueError(
                f"notify.channel {settings.name!r}: Apprise cannot read its address; appriseit.com says how to write it"
            )
        self._timeout_s = settings.timeout_s

    async def tell(self, delivery: str, notices: Sequence[Notice]) -> None:  # noqa: ARG002
        """See :meth:`Channel.tell`."""
        from apprise import NotifyFormat, NotifyType

        title, body = words(notices)
        kind = NotifyType.WARNING if any(notice.severity == "severe" for notice in notices) else NotifyType.INFO
        try:
            async with asyncio.timeout(6 * self._timeout_s):
                done = await asyncio.to_thread(
                    self._apprise.notify, body=body, title=title, notify_type=kind, body_format=NotifyFormat.TEXT
                )
        except TimeoutError as error:
            raise NotNowError("no answer") from error
        if not done:
            raise NotNowError("Apprise could not send it; its log says why")


def words(notices: Sequence[Notice]) -> tuple[str, str]:
    """Title and text of a message in words."""
    if len(notices) == 1:
        return notices[0].title, "\n".join(notices[0].lines)
    return f"{len(notices)} notices", "\n\n".join("\n".join((each.title, *each.lines)) for each in notices)


def channel_of(settings: NotifyChannel, web: aiohttp.ClientSession) -> Channel:
    """The channel that the settings describe.

    Raises:
        ValueError: its address or secret cannot be read; the message names it.
    """
    try:
        return Webhook(settings, web) if settings.webhook else Chat(settings)
    except ValueError as error:
        raise ValueError(
            str(error) if "channel" in str(error) else f"notify.channel {settings.name!r}: {error}"
        ) from error
