"""The way out to strangers' hosts: plain GETs to public addresses, checked at the moment of connecting.

A name is resolved, and the very address about to be dialled is judged, in the connector's socket factory: between
check and use there is nothing left to rebind. Redirects come back to the caller, who checks each anew. No proxy,
cookie, credential, referrer or transparent decompression takes part.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from ipaddress import ip_address
from typing import Any

from aiohttp import AddrInfoType, ClientSession, ClientTimeout, DummyCookieJar, StreamReader, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import RawResponseMessage
from yarl import URL

from stream_app import __version__
from stream_app.pipeline.media.addresses import Network, classify, parse_networks
from stream_app.pipeline.media.outcome import NotUsedError
from stream_app.settings import MediaSettings

Meet = Callable[[str], None]

MAX_URL = 2048
"""Characters of the longest address that is tried."""
MAX_INTERIM = 16
"""Answers like 103 Early Hints before the final one. A fast host could keep us busy with them until the deadline."""

HEADERS = {
    "User-Agent": f"crisis-stream/{__version__}",
    "Accept": "image/webp,image/jpeg,image/png",
    "Accept-Encoding": "identity",  # an image is compressed already; anything more is a bomb or a mistake
}


def check_url(url: str | URL, ports: Sequence[int]) -> URL:
    """Parse an image's address: http or https, no credentials, one of ``ports``.

    The host is not judged here: whatever it is spelled like, its resolved address is judged when it is dialled.

    Raises:
        NotUsedError: refused, with the reason.
    """
    if len(str(url)) > MAX_URL:
        raise NotUsedError("refused", f"the address is longer than {MAX_URL} characters")
    try:
        parsed = URL(url)
        port, host = parsed.port, parsed.host
    except ValueError as error:
        raise NotUsedError("refused", "the address is not a valid URL") from error
    if parsed.scheme not in ("http", "https") or not host:
        raise NotUsedError("refused", "only http and https addresses are fetched")
    if parsed.raw_user is not None or parsed.raw_password is not None:
        raise NotUsedError("refused", "the address carries credentials")
    if port not in ports:
        raise NotUsedError("refused", f"port {port} is not among the allowed ports")
    return parsed.with_fragment(None)


def is_compressed(codings: Sequence[str]) -> bool:
    """Whether a body's ``Content-Encoding`` headers name one that changes it.

    ``aws-chunked`` says how a file was once sent to S3, which keeps the word with it and undoes the framing itself.
    """
    names = {name.strip().lower() for coding in codings for name in coding.split(",")}
    return bool(names - {"", "identity", "aws-chunked"})


class SocketGuard:
    """Makes the sockets of outgoing connections, for public addresses and ``allowed`` networks only, never ``refused``.

    ``meet`` is told of each address before it is dialled, and may raise an ``OSError`` of its own.
    """

    def __init__(
        self, allowed: Sequence[Network], meet: Meet = lambda _: None, refused: Sequence[Network] = ()
    ) -> None:
        self._allowed, self._meet, self._refused = allowed, meet, refused

    def __call__(self, info: AddrInfoType) -> socket.socket:
        """Open the socket for one resolved address.

        Raises:
            PermissionError: the address is refused. An ``OSError`` so that aiohttp tries the host's next address.
        """
        family, kind, protocol, _, peer = info
        if refusal := classify(ip_address(str(peer[0])), self._allowed, self._refused):
            raise PermissionError(errno.EACCES, f"the host is at {peer[0]}, {refusal}")
        self._meet(str(peer[0]))
        return socket.socket(family, kind, protocol)


class _Wire(ResponseHandler):
    """A connection that hears out only so many interim answers (RFC 9110, section 15.2); aiohttp's hears any number."""

    _interim = 0

    async def read(self) -> tuple[RawResponseMessage, StreamReader]:
        """The next answer, an interim one or the final."""
        message, body = await super().read()
        self._interim = self._interim + 1 if 100 <= message.code < 200 else 0
        if self._interim > MAX_INTERIM:
            raise NotUsedError("failed", f"the host sent more than {MAX_INTERIM} interim answers and no final one")
        return message, body


class _Connector(TCPConnector):
    def __init__(self, meet: Meet, **options: Any) -> None:
        super().__init__(**options)
        self._meet = meet
        self._factory = partial(_Wire, loop=self._loop)  # type: ignore[assignment]  # a subclass will do

    async def connect(self, req: Any, traces: Any, timeout: ClientTimeout) -> Connection:
        """A connection, a new one or one that was kept; of a kept one nobody has told ``meet`` yet."""
        connection = await super().connect(req, traces, timeout)
        peer = connection.transport.get_extra_info("peername") if connection.transport else None
        try:
            if peer:
                self._meet(str(peer[0]))
        except OSError:
            connection.release()
            raise
        return connection


class ThreadResolver(AbstractResolver):
    """The system's resolver in threads of its own: a name server that hangs holds up no other thread of the process."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """All addresses of ``host``; raises ``OSError`` where there is none."""
        ask = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        return [
            ResolveResult(
                hostname=host,
                host=str(peer[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST,
            )
            for kind, _, protocol, _, peer in found
        ]

    async def close(self) -> None:
        """Forget lookups that have not begun."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def open_session(
    settings: MediaSettings, resolver: AbstractResolver | None = None, meet: Meet = lambda _: None
) -> ClientSession:
    """A client session that reaches public addresses only; close it, and ``resolver`` with it.

    ``meet`` hears each address that a request uses, and may raise an ``OSError`` to refuse it.

    Raises:
        ValueError: ``settings.allowed_private`` or ``refused_networks`` holds something that is no network.
    """
    connector = _Connector(
        meet,
        # Twice as many as fetches: lookups that were given up may still occupy theirs for a while.
        resolver=resolver or ThreadResolver(2 * settings.concurrency),
        socket_factory=SocketGuard(
            parse_networks(settings.allowed_private), meet, parse_networks(settings.refused_networks)
        ),
        limit=0,  # the fetcher counts, per host and in all
    )
    return ClientSession(
        connector=connector,
        headers=HEADERS,
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=None, sock_connect=settings.total_timeout_s),
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
    )
