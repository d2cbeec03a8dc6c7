"""The model in use, its replacement while the stream runs, and a second one that is only compared."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from mode import Service
from numpy.typing import NDArray
from PIL import Image

from model.load import load_scorer
from model.scorer import BATCH, CONCEPTS, Concept, DeviceError, ModelInfo, ModelRefusedError, PostInput, Scored, Scorer
from stream_app.pipeline.labelling.scoring import Answer, score_each
from stream_app.settings import ModelSettings

_AT_ONCE = 2
Load = Callable[..., Scorer]
Agreement = dict[Concept, tuple[int, int]]
"""Per concept: posts on which two models gave the same label, and posts compared."""


class SwapError(ValueError):
    """The model asked for cannot be used; one that is in use goes on."""


class Models(Service):
    """Loads, scores with and swaps models, in threads of its own so that Kafka's heartbeats go on.

    Two batches may be in the model at once: a core that is done with its share of one begins with the next.

    Args:
        settings: Which models.
        load: Loads a scorer by its source; tests bring their own.
    """

    def __init__(self, settings: ModelSettings, load: Load = load_scorer, **options: object) -> None:
        super().__init__(**options)
        self.settings = settings
        self._load = load
        self._current: Scorer | None = None
        self._shadow: Scorer | None = None
        self._entry: ModelInfo | None = None
        self._scoring = ThreadPoolExecutor(_AT_ONCE, "model")
        self._loading = ThreadPoolExecutor(1, "model-loading")

    @property
    def loaded(self) -> bool:
        """Whether a model is ready to score."""
        return self._current is not None

    @property
    def current(self) -> Scorer:
        """The model in use."""
        assert self._current is not None, "models are loaded on start"
        return self._current

    @property
    def batch(self) -> int:
        """Posts in a full batch: as many as suit the model in use where it runs."""
        return int(getattr(self.current, "batch", BATCH))

    @property
    def beside(self) -> int:
        """Small batches that it scores side by side, each on a core of its own; a GPU takes one after the other."""
        return min(_AT_ONCE, int(getattr(self.current, "threads", 1)))

    @property
    def entry(self) -> ModelInfo:
        """The model in use, as events name it."""
        assert self._entry is not None, "models are loaded on start"
        return self._entry

    async def on_start(self) -> None:
        """Load the model, and the shadow where there is one.

        Raises:
            SwapError: there is no such model, or it must not be used.
        """
        self._use(await self._fetch(self.settings.source))
        if self.settings.shadow is not None:
            self._shadow = await self._fetch(self.settings.shadow)

    async def on_stop(self) -> None:
        """Let go of the threads; a call that is running ends by itself."""
        self._scoring.shutdown(wait=False, cancel_futures=True)
        self._loading.shutdown(wait=False, cancel_futures=True)

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize and crop one image as the model in use wants it."""
        return self.current.prepare(image)

    async def score(self, posts: Sequence[PostInput]) -> tuple[ModelInfo, list[Answer]]:
        """Score one batch with the model in use; names the model, since it may be swapped before the next."""
        scorer, entry = self.current, self.entry
        loop = asyncio.get_running_loop()
        return entry, await loop.run_in_executor(self._scoring, score_each, scorer, posts)

    async def compare(self, posts: Sequence[PostInput], answers: Sequence[Answer]) -> Agreement:
        """Score a sample of the batches with the shadow model too; empty where there is none or it was not its turn."""
        shadow = self._shadow
        if shadow is None or random.random() >= self.settings.shadow_sample:
            return {}
        loop = asyncio.get_running_loop()
        others = await loop.run_in_executor(self._scoring, score_each, shadow, posts)
        both = [(a, b) for a, b in zip(answers, others, strict=True) if isinstance(a, Scored) and isinstance(b, Scored)]
        return {
            concept: (sum(a.labels[concept].label == b.labels[concept].label for a, b in both), len(both))
            for concept in CONCEPTS
        }

    async def swap(self, source: str | None = None) -> ModelInfo:
        """Load a model in the background and use it from the next batch on; without ``source`` reload the present one.

        Raises:
            SwapError: it cannot be loaded or wants images of another size; the model in use stays.
        """
        source = source or self.settings.source
        scorer = await self._fetch(source)
        if scorer.image_size != self.current.image_size:
            wants, has = scorer.image_size, self.current.image_size
            raise SwapError(f"model {source!r} wants images of {wants} pixels, not {has}: restart the worker with it")
        self._use(scorer)
        return self.entry

    def _use(self, scorer: Scorer) -> None:
        self._current, self._entry = scorer, scorer.info
        self.log.info("using model %s %s (%.12s)", scorer.info.name, scorer.info.version, scorer.info.hash)

    async def _fetch(self, source: str) -> Scorer:
        """Load it; only errors whose words are ours go out, since others quote the files, which may be any files."""

        def load() -> Scorer:
            return self._load(source, **self.settings.placement)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._loading, load)
        except (ModelRefusedError, DeviceError, FileNotFoundError) as error:
            raise SwapError(str(error)) from error
        except Exception as error:
            self.log.exception("model %r cannot be loaded", source)
            kind = type(error).__name__
            raise SwapError(
                f"model {source!r} cannot be used: its files hold no model that this version reads ({kind}); the "
                "worker's log says more"
            ) from error
