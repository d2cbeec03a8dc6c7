"""Asks a Schema Registry what records are written in, once a schema; without an answer the feed waits.

There are clients of registries: confluent-kafka's brings librdkafka, which would stand idle beside aiokafka, and is
synchronous; python-schema-registry-client knows no Protobuf. All that is needed of them is one GET and a cache.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from stream_app.pipeline.feed.schemas import Decoder, Schema, SchemaError, decoder, framed
from stream_app.settings import RegistrySettings

logger = logging.getLogger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=10.0)
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 10.0
_ASK_AGAIN_S = 60.0
"""An id that was unknown may have come since."""
_KEPT = 1_000
_DEPTH = 10
_MAX_BYTES = 8 * 2**20


class AwayError(Exception):
    """The registry does not answer as one, or does not let us in; the message says how."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A schema's decoder, or why there is none; asked again at ``until``."""

    decoder: Decoder | None
    why: str
    until: float


class Registry:
    """Turns framed values into JSON by the schemas of a registry; without ``url`` in the settings, none.

    ``trouble`` says why the feed waits, None while it does not.
    """

    def __init__(self, settings: RegistrySettings) -> None:
        self._settings = settings
        self._known: dict[int, _Known] = {}
        self._session: aiohttp.ClientSession | None = None
        self.trouble: str | None = None

    async def __aenter__(self) -> Self:
        """Make ready to ask.

        Raises:
            OSError: the CA file cannot be read; the message names it.
        """
        mine = self._settings
        if mine.url is None:
            return self
        headers = {"Accept": "application/vnd.schemaregistry.v1+json, application/json"}
        if mine.username is not None:
            password = mine.password.get_secret_value() if mine.password else ""
            headers["Authorization"] = aiohttp.encode_basic_auth(mine.username, password)
        elif mine.token is not None:
            headers["Authorization"] = f"Bearer {mine.token.get_secret_value()}"
        connector = aiohttp.TCPConnector(ssl=_context(mine)) if mine.ca is not None else None
        self._session = aiohttp.ClientSession(headers=headers, timeout=_TIMEOUT, connector=connector)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def learn(self, values: Iterable[bytes | None], *, patient: bool = True) -> None:
        """Know all schemas that the values name; waits for as long as the registry is away.

        Raises:
            AwayError: it is away, and this is not ``patient``.
        """
        if self._session is None:
            return
        now = time.monotonic()
        for schema in {frame.schema for value in values if (frame := framed(value)) is not None}:
            known = self._known.get(schema)
            if known is None or now >= known.until:
                self._known.pop(schema, None)
                while len(self._known) >= _KEPT:
                    del self._known[next(iter(self._known))]
                self._known[schema] = await (self._insist if patient else self._ask)(schema)

    def plain(self, value: bytes | None) -> bytes | None:
        """The JSON of a framed value whose schema was learned; any other value as it is.

        Raises:
            SchemaError: there is no such schema, or the value is not written in it; the message names the schema.
        """
        frame = framed(value) if self._settings.url is not None else None
        if frame is None:
            return value
        known = self._known.get(frame.schema)
        if known is None or known.decoder is None:
            why = known.why if known else "it is not known any more"
            raise SchemaError(f"Schema {frame.schema} of the registry at {self._settings.url}: {why}.")
        try:
            return known.decoder(frame.payload)
        except SchemaError as error:
            raise SchemaError(f"Schema {frame.schema} of the registry at {self._settings.url}: {error}.") from error

    def lacks(self, value: bytes | None) -> bool:
        """Whether the value names a schema that has to be learned first."""
        frame = framed(value) if self._settings.url is not None else None
        known = self._known.get(frame.schema) if frame else None
        return frame is not None and (known is None or time.monotonic() >= known.until)

    async def _insist(self, schema: int) -> _Known:
        wait_s = _FIRST_WAIT_S
        try:
            while True:
                try:
                    return await self._ask(schema)
                except AwayError as error:
                    trouble = f"the schema registry at {self._settings.url} {error}: posts wait for schema {schema}"
                if trouble != self.trouble:
                    logger.warning("%s", trouble)
                self.trouble = trouble
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
        finally:
            self.trouble = None

    async def _ask(self, schema: int) -> _Known:
        try:
            return _Known(decoder(await self._get(f"schemas/ids/{schema}")), "", float("inf"))
        except SchemaError as error:
            return _Known(None, str(error), time.monotonic() + _ASK_AGAIN_S)

    async def _get(self, path: str, depth: int = 0) -> Schema:
        """A schema and all that it refers to.

        Raises:
            AwayError: the registry gives no answer.
            SchemaError: it has no such schema.
        """
        assert self._session is not None
        if depth > _DEPTH:
            raise SchemaError("it refers to schemas that refer to schemas, too often")
        answer = await self._answer(f"{(self._settings.url or '').rstrip('/')}/{path}")
        try:
            needs = []
            for each in answer.get("references") or ():
                where = f"subjects/{quote(each['subject'], safe='')}/versions/{int(each['version'])}"
                needs.append((str(each["name"]), await self._get(where, depth + 1)))
            return Schema(str(answer.get("schemaType") or "AVRO"), str(answer["schema"]), tuple(needs))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            if isinstance(error, SchemaError):
                raise
            raise SchemaError(f"the registry's answer has no schema in it ({error!r:.100})") from None

    async def _answer(self, url: str) -> Any:
        assert self._session is not None
        try:
            # Of Protobuf the compiled file is asked for, not its text; the other kinds know no such format.
            async with self._session.get(url, params={"format": "serialized"}, allow_redirects=False) as response:
                if response.status in (HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY):
                    raise SchemaError(f"the registry does not have it (status {response.status})")
                if response.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                    raise AwayError(
                        f"refuses us (status {response.status}; check feed.registry.username, or the token)"
                    )
                if response.status != HTTPStatus.OK:
                    raise AwayError(f"answers with status {response.status}")
                body = await response.content.read(_MAX_BYTES)
                return await asyncio.to_thread(_json, body)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise AwayError(f"does not answer ({str(error) or type(error).__name__})") from None


class Asking:
    """A registry for whoever reads a file and has nothing else to do: asks, and blocks until the answer is here."""

    def __init__(self, settings: RegistrySettings) -> None:
        self._url, self._registry = settings.url, Registry(settings)

    def __call__(self, value: bytes | None) -> bytes | None:
        """The JSON of a framed value; any other value as it is.

        Raises:
            SchemaError: as of :meth:`Registry.plain`.
            AwayError: the registry does not answer; the message names it.
        """
        if self._registry.lacks(value):
            with ThreadPoolExecutor(1) as aside:  # the caller's own loop may be running
                aside.submit(asyncio.run, self._ask(value)).result()
        return self._registry.plain(value)

    async def _ask(self, value: bytes | None) -> None:
        try:
            async with self._registry:
                await self._registry.learn([value], patient=False)
        except AwayError as error:
            raise AwayError(f"the schema registry at {self._url} {error}") from None


def _json(body: bytes) -> Any:
    import orjson

    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise AwayError("answers with something that is not JSON") from None


def _context(settings: RegistrySettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca)
    except OSError as error:
        why = error.strerror or error
        raise OSError(error.errno, f"cannot use feed.registry.ca = {settings.ca} ({why})") from None
