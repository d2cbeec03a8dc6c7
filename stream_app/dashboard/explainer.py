"""Asks a model of the dashboard's own what moved a post's labels: loaded when first asked, let go when nobody asks.

The worker's is not asked: which of many labelled the post, and whether it still runs, is not known, and it has a feed
to label. So the dashboard needs the memory of a model while somebody asks (``dashboard.reasons``).
"""

from __future__ import annotations

import asyncio
import io
import logging
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from PIL import Image

from model.scorer import ContextFacts, Scorer
from stream_app.dashboard.reasons import Asked, reasons
from stream_app.dashboard.thumbnails import Thumbnails
from stream_app.pipeline.events.event import Event
from stream_app.settings import ModelSettings

logger = logging.getLogger(__name__)

Problem = Literal["off", "no_model", "other_model", "busy", "timeout", "photo", "failed"]
_KEPT = 200
_WAITING = 4
_TIMEOUT_S = 60.0
_IDLE_S = 600.0


class UnexplainedError(Exception):
    """Why there are no reasons: the page has words for each ``problem``."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self.problem = problem


class Explainer:
    """Answers one question at a time; the last 200 answers are kept.

    Args:
        settings: Which model, as the workers'; None where the dashboard is to load none.
        photos: Where photos are had from.
        load: Loads a scorer; tests bring their own.
    """

    def __init__(
        self,
        settings: ModelSettings | None,
        photos: Thumbnails,
        load: Callable[[ModelSettings], Scorer] | None = None,
        *,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        self._settings, self._photos, self._timeout_s = settings, photos, timeout_s
        self._load = load or _load
        self._scorer: Scorer | None = None
        self._thread = ThreadPoolExecutor(1, "reasons")
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._answers: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._idle: asyncio.TimerHandle | None = None

    def close(self) -> None:
        """Let go of the thread; a question that is being answered ends by itself."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def why(self, event: Event) -> dict[str, Any]:
        """What :func:`stream_app.dashboard.reasons.reasons` finds for the post of ``event``.

        Raises:
            UnexplainedError: it cannot be had.
        """
        if event.id in self._answers:
            self._answers.move_to_end(event.id)
            return self._answers[event.id]
        if self._settings is None:
            raise UnexplainedError("off")
        if self._waiting >= _WAITING:
            raise UnexplainedError("busy")
        self._waiting += 1
        try:
            asked = Asked(event.post.text, await self._seen(event), _context(event))
            async with self._turn:
                answer = await self._ask(self._settings, event, asked)
        finally:
            self._waiting -= 1
        self._answers[event.id] = answer
        if len(self._answers) > _KEPT:
            self._answers.popitem(last=False)
        return answer

    async def _seen(self, event: Event) -> tuple[Image.Image, ...]:
        """The photos that the model saw, none of them another."""
        found = []
        for media in event.media:
            if media.status != "used":
                continue
            photo = await self._photos.get(media.url)
            if photo is None or media.sha256 not in (None, photo.sha256):
                raise UnexplainedError("photo")
            found.append(Image.open(io.BytesIO(photo.jpeg)))  # of our own making
        return tuple(found)

    async def _ask(self, settings: ModelSettings, event: Event, asked: Asked) -> dict[str, Any]:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        question = loop.run_in_executor(self._thread, self._answer, settings, event, asked)
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncio.shield(question)
        except TimeoutError as error:
            question.add_done_callback(lambda done: done.cancelled() or done.exception())
            raise UnexplainedError("timeout") from error
        finally:
            self._idle = loop.call_later(_IDLE_S, self._let_go)

    def _answer(self, settings: ModelSettings, event: Event, asked: Asked) -> dict[str, Any]:
        if self._scorer is None:
            try:
                self._scorer = self._load(settings)
            except Exception as error:
                logger.exception("no model for reasons")
                raise UnexplainedError("no_model") from error
        mine, its = self._scorer.info, event.model
        if (mine.name, mine.version, mine.hash) != (its.name, its.version, its.hash):
            raise UnexplainedError("other_model")
        try:
            return reasons(self._scorer, asked)
        except Exception as error:
            logger.exception("no reasons for event %s", event.id)
            raise UnexplainedError("failed") from error

    def _let_go(self) -> None:
        self._scorer = None


def _load(settings: ModelSettings) -> Scorer:
    from model.load import load_scorer  # torch, when somebody asks

    return load_scorer(settings.source, **settings.placement)


def _context(event: Event) -> ContextFacts:
    """The facts that an event carries: not its author's counts, links and mentions."""
    post = event.post
    return ContextFacts(
        images=len(event.media),
        is_repost=post.kind == "repost",
        language=post.language,
        hour=post.created_at.hour + post.created_at.minute / 60,
    )
