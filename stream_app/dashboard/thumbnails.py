"""Small re-encoded copies of posts' images, so that no analyst's browser ever talks to a stranger's host.

An image is fetched with the media step's own protections, decoded there, and encoded anew as JPEG: neither the
original bytes nor their metadata reach the browser.
"""

from __future__ import annotations

import asyncio
import io
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.post import MediaLink

LONG_SIDE = 480
"""Pixels of a thumbnail's longer side: a feed column at twice the density."""
LARGE_SIDE = 1600
"""And of a photo that somebody asked to see large: a screen."""


class Fetcher(Protocol):
    """The part of :class:`stream_app.pipeline.media.fetch.MediaFetcher` that is used here."""

    async def fetch(self, links: Sequence[MediaLink]) -> tuple[MediaOutcome, ...]:
        """One outcome per link."""
        ...


def shrink(image: Image.Image) -> NDArray[np.uint8]:
    """Scale to at most ``LONG_SIDE`` pixels a side, [h, w, 3] uint8; the fetcher's ``prepare``."""
    return _within(image, LONG_SIDE)


def enlarge(image: Image.Image) -> NDArray[np.uint8]:
    """The same with ``LARGE_SIDE``; a small photo is not blown up."""
    return _within(image, LARGE_SIDE)


def _within(image: Image.Image, side: int) -> NDArray[np.uint8]:
    small = image.convert("RGB")
    small.thumbnail((side, side))
    return np.asarray(small, dtype=np.uint8)


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """Encode [h, w, 3] uint8 as JPEG without metadata."""
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", quality=80, optimize=True)
    return out.getvalue()


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A small copy as JPEG, and the SHA-256 of the file it was made from."""

    jpeg: bytes
    sha256: str | None


class Thumbnails:
    """The ``size`` most recently shown thumbnails; an address is fetched once however many browsers ask."""

    def __init__(self, fetcher: Fetcher, size: int) -> None:
        self._fetcher = fetcher
        self._size = size
        self._cached: OrderedDict[str, asyncio.Task[Thumbnail | None]] = OrderedDict()

    async def get(self, url: str) -> Thumbnail | None:
        """Copy of the image at ``url``, or None when it cannot be had now (it is tried again when next asked for)."""
        task = self._cached.get(url)
        if task is None:
            task = self._cached[url] = asyncio.create_task(self._make(url))
            if len(self._cached) > self._size:
                self._cached.popitem(last=False)
        self._cached.move_to_end(url)
        thumbnail = await asyncio.shield(task)
        if thumbnail is None and self._cached.get(url) is task:
            del self._cached[url]
        return thumbnail

    def forget(self, urls: Iterable[str]) -> None:
        """Let go of the thumbnails of these images."""
        for url in urls:
            self._cached.pop(url, None)

    async def _make(self, url: str) -> Thumbnail | None:
        (outcome,) = await self._fetcher.fetch([MediaLink(url=url)])
        if outcome.image is None:
            return None
        return Thumbnail(await asyncio.to_thread(encode, outcome.image), outcome.sha256)
