"""Fetches the images posts point at, from hosts that may be slow, broken or hostile.

Nothing runs that no post waits for: when the last post waiting for an image has gone on without it, its fetch ends.
So what is held in memory is bounded by the posts in flight, and a host that dawdles only makes its own images late:
waiting for an answer holds up nobody else's until ``requests`` are out at once.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import numpy as np
from aiohttp import ClientConnectorError, ClientError, ClientResponse, ClientSession, InvalidUrlClientError
from aiohttp.abc import AbstractResolver
from yarl import URL

from stream_app.pipeline.media.connect import check_url, is_compressed, open_session
from stream_app.pipeline.media.decode import Decoded, Prepare, decode, perceptual_hash
from stream_app.pipeline.media.hosts import BusyError, Hosts, PausedError, registered_domain
from stream_app.pipeline.media.lateness import Lateness
from stream_app.pipeline.media.outcome import MediaOutcome, NotUsedError, Status, brief
from stream_app.pipeline.media.sniff import SNIFFED, not_read, sniff
from stream_app.pipeline.posts.post import MediaLink
from stream_app.settings import MediaSettings

REDIRECTS = frozenset({301, 302, 303, 307, 308})
BUSY = frozenset({429, 503})

LASTING: frozenset[Status] = frozenset({"used", "unsupported", "too_large"})
"""Outcomes that the image itself decides, and that asking again would not change."""


@dataclass(slots=True)
class _Fetch:
    task: asyncio.Task[MediaOutcome]
    waiting: int = 0


class MediaFetcher:
    """Fetches and decodes images; an async context manager.

    ``prepare`` turns a PIL image into the model's array, in one of ``settings.decode_threads`` threads. ``resolver``
    replaces the system's. The last ``settings.cached_images`` outcomes are remembered by URL, so that an image many
    posts show is fetched and decoded once.
    """

    def __init__(self, settings: MediaSettings, prepare: Prepare, *, resolver: AbstractResolver | None = None) -> None:
        self._settings = settings
        self._prepare = prepare
        self._resolver = resolver
        self._lateness = Lateness()
        self._hosts = Hosts(settings.per_host, settings.deadline_s / 2, our_lateness=self._lateness.since)
        self._requests = asyncio.Semaphore(settings.requests)
        self._slots = asyncio.Semaphore(settings.concurrency)
        self._decoding = 0
        self._under_way: dict[str, _Fetch] = {}
        self._known: OrderedDict[str, MediaOutcome] = OrderedDict()
        self._threads: ThreadPoolExecutor
        self._session: ClientSession
        self._listening: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self._threads = ThreadPoolExecutor(self._settings.decode_threads, thread_name_prefix="decode")
        self._session = open_session(self._settings, self._resolver, self._hosts.meet)
        await asyncio.to_thread(_warm_up)
        self._listening = asyncio.create_task(self._lateness.listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = [self._listening, *(fetch.task for fetch in self._under_way.values())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    @property
    def decoding(self) -> int:
        """Images that are here and wait for a thread to decode them, or are being decoded."""
        return self._decoding

    async def fetch(self, links: Sequence[MediaLink], since: float | None = None) -> tuple[MediaOutcome, ...]:
        """One outcome per link, in order; whatever goes wrong with an image is its outcome.

        It is here ``deadline_s`` after ``since``, a time of ``time.monotonic`` and now by default, whatever the images
        have to wait for: their hosts, those before them, or us.
        """
        wanted, due = (
            self._settings.max_images,
            (time.monotonic() if since is None else since) + self._settings.deadline_s,
        )
        waiting = [self._outcome(link.url, due) for link in links[:wanted]]
        used = [await waiting[0]] if len(waiting) == 1 else await asyncio.gather(*waiting)  # a task less for most
        reason = f"only {wanted} images of a post are used"
        return *used, *(MediaOutcome(link.url, "skipped", reason) for link in links[wanted:])

    async def _outcome(self, url: str, due: float) -> MediaOutcome:
        if known := self._known.get(url):
            self._known.move_to_end(url)
            return replace(known, elapsed_ms=0.0)
        began = time.perf_counter()
        fetch = self._under_way.get(url)
        if fetch is None:
            fetch = self._under_way[url] = _Fetch(asyncio.create_task(self._run(url)))
        outcome = await self._wait(url, fetch, due)
        return replace(outcome, elapsed_ms=(time.perf_counter() - began) * 1000)

    async def _wait(self, url: str, fetch: _Fetch, due: float) -> MediaOutcome:
        fetch.waiting += 1
        try:
            done, _ = await asyncio.wait({fetch.task}, timeout=max(due - time.monotonic(), 0))
        finally:
            fetch.waiting -= 1
            if fetch.waiting == 0:
                fetch.task.cancel()  # does nothing to one that is done
                if self._under_way.get(url) is fetch:
                    del self._under_way[url]
        if done and not fetch.task.cancelled():
            return fetch.task.result()
        return MediaOutcome(url, "late", f"it was not here within {self._settings.deadline_s:g} s")

    async def _run(self, url: str) -> MediaOutcome:
        """Fetch and decode one image; every error becomes the outcome's reason."""
        try:
            async with asyncio.timeout(self._settings.total_timeout_s):
                data = await self._download(url)
                image = await self._decode(data)
        except NotUsedError as error:
            outcome = MediaOutcome(url, error.status, error.reason)
        except TimeoutError:
            outcome = MediaOutcome(url, "late", f"it took more than {self._settings.total_timeout_s:g} s")
        except Exception as error:  # noqa: BLE001  # an image costs at most itself
            outcome = MediaOutcome(url, *_explain(error))
        else:
            outcome = image.outcome(url, len(data))
        self._remember(outcome)
        return outcome

    async def _decode(self, data: bytes) -> Decoded:
        self._decoding += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._threads, decode, data, self._prepare, self._settings.max_pixels
            )
        finally:
            self._decoding -= 1

    def _remember(self, outcome: MediaOutcome) -> None:
        if outcome.status in LASTING:
            self._known[outcome.url] = outcome
            while len(self._known) > self._settings.cached_images:
                self._known.popitem(last=False)

    async def _download(self, address: str) -> bytes:
        url = check_url(address, self._settings.allowed_ports)
        for _ in range(self._settings.max_redirects + 1):
            assert url.host is not None
            # Each hop takes its turn at its own host, so a link shortener does not answer for where it leads. To wait
            # for an answer takes a socket, to read one takes memory: slow hosts hold many of the former, few of these.
            async with (
                self._hosts.turn(url.host) as turn,
                turn.excused(self._requests),
                self._session.get(url, allow_redirects=False) as response,
            ):
                if response.status not in REDIRECTS:
                    async with turn.excused(self._slots):
                        return await _read(response, self._settings.max_bytes)
                url = self._next(url, response)
        raise NotUsedError("refused", f"more than {self._settings.max_redirects} redirects")

    def _next(self, url: URL, response: ClientResponse) -> URL:
        try:
            target = url.join(URL(response.headers["Location"]))
        except (KeyError, ValueError) as error:
            raise NotUsedError("failed", "a redirect that leads nowhere") from error
        return check_url(target, self._settings.allowed_ports)


def _warm_up() -> None:
    """What reads a list or imports half of scipy at its first use would hold up the first posts with photos."""
    registered_domain("example.org")
    perceptual_hash(np.zeros((32, 32, 3), dtype=np.uint8))


async def _read(response: ClientResponse, max_bytes: int) -> bytes:
    """Read an image's bytes, giving up as soon as they are too many or no image."""
    if response.status in BUSY:
        raise BusyError(f"the host answered {response.status}", retry_after_s(response.headers.get("Retry-After", "")))
    if response.status != 200:
        raise NotUsedError("failed", f"the host answered {response.status}")
    if is_compressed(response.headers.getall("Content-Encoding", [])):
        raise NotUsedError("unsupported", "the host compressed the image, which it was asked not to")
    if (response.content_length or 0) > max_bytes:
        raise NotUsedError("too_large", f"the host announced more than {max_bytes:,} bytes")
    data = bytearray()
    async for chunk in response.content.iter_any():
        sniffed = len(data) >= SNIFFED
        data += chunk
        if not sniffed and len(data) >= SNIFFED and sniff(data) is None:
            raise NotUsedError("unsupported", not_read(data))
        if len(data) > max_bytes:
            raise NotUsedError("too_large", f"more than {max_bytes:,} bytes")
    return bytes(data)


def retry_after_s(said: str) -> float | None:
    """Seconds of a Retry-After header, which holds them or a date (RFC 9110, section 10.2.3); None of anything else."""
    if said.strip().isdecimal():
        return float(said.strip()[:9])
    try:
        moment = parsedate_to_datetime(said)
        return moment.timestamp() - time.time()
    except (ValueError, OverflowError):
        return None


def _explain(error: Exception) -> tuple[Status, str]:
    if isinstance(error, InvalidUrlClientError):
        return "refused", "the host is a number that is no proper IP address"
    if isinstance(error, PausedError):
        return "skipped", str(error)
    if isinstance(error, ClientConnectorError) and isinstance(error.os_error, PausedError):
        return "skipped", str(error.os_error)
    if isinstance(error, ClientConnectorError) and isinstance(error.os_error, PermissionError):
        said = str(error.os_error.strerror)  # one sentence of SocketGuard's, or those on all the host's addresses
        return "refused", said[max(said.rfind("the host is at"), 0) :]
    if isinstance(error, ClientError | OSError):
        return "failed", f"the host could not be read: {brief(error)}"
    return "failed", f"it could not be used: {brief(error)}"
