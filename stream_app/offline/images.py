"""Where the images of offline labelling come from: the network, by the stream's own fetcher, a folder, or nowhere."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from stream_app.offline.label import Fetch
from stream_app.pipeline.media.decode import Prepare, decode
from stream_app.pipeline.media.fetch import MediaFetcher
from stream_app.pipeline.media.outcome import MediaOutcome, NotUsedError
from stream_app.pipeline.posts.post import MediaLink
from stream_app.settings import MediaSettings


@asynccontextmanager
async def images_from(
    settings: MediaSettings, prepare: Prepare, *, folder: Path | None = None, none: bool = False
) -> AsyncIterator[Fetch]:
    """Fetches images from ``folder`` if there is one, from nowhere if ``none``, else from the network."""
    if none:
        yield skip_images
    elif folder is not None:
        with LocalImages(folder, settings, prepare) as local:
            yield local.fetch
    else:
        async with MediaFetcher(settings, prepare=prepare) as fetcher:
            yield fetcher.fetch


async def skip_images(links: Sequence[MediaLink]) -> tuple[MediaOutcome, ...]:
    """Every image skipped, as was asked for."""
    return tuple(MediaOutcome(link.url, "skipped", "images are turned off") for link in links)


class LocalImages:
    """Finds an image in ``folder`` by the file name its address ends with; same limits and decoding as fetched ones."""

    def __init__(self, folder: Path, settings: MediaSettings, prepare: Prepare) -> None:
        self._folder = folder
        self._settings = settings
        self._prepare = prepare
        self._threads = ThreadPoolExecutor(settings.decode_threads, thread_name_prefix="decode")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._threads.shutdown(cancel_futures=True)

    async def fetch(self, links: Sequence[MediaLink]) -> tuple[MediaOutcome, ...]:
        """One outcome per link, in order; an image that is not in the folder has failed."""
        loop, wanted = asyncio.get_running_loop(), self._settings.max_images
        used = await asyncio.gather(
            *(loop.run_in_executor(self._threads, self._outcome, link.url) for link in links[:wanted])
        )
        reason = f"only {wanted} images of a post are used"
        return *used, *(MediaOutcome(link.url, "skipped", reason) for link in links[wanted:])

    def _outcome(self, url: str) -> MediaOutcome:
        began = time.perf_counter()
        try:
            data = self._read(file_name(url))
            image = decode(data, self._prepare, self._settings.max_pixels)
        except NotUsedError as error:
            return MediaOutcome(url, error.status, error.reason)
        return replace(image.outcome(url, len(data)), elapsed_ms=(time.perf_counter() - began) * 1000)

    def _read(self, name: str) -> bytes:
        try:
            path = self._folder / name
            if not name or not path.is_file():
                raise NotUsedError("failed", f"no file {name!r:.100} in {self._folder}")
            if path.stat().st_size > self._settings.max_bytes:
                raise NotUsedError("too_large", f"more than {self._settings.max_bytes:,} bytes")
            return path.read_bytes()
        except (OSError, ValueError) as error:
            raise NotUsedError("failed", f"{name!r:.100} could not be read: {error}") from error


def file_name(url: str) -> str:
    """The last part of the address's path, never a way out of a folder; empty where there is none."""
    try:
        name = unquote(urlsplit(url).path).replace("\\", "/").rpartition("/")[2]
    except ValueError:
        return ""
    return "" if name in (".", "..") or "\0" in name else name
