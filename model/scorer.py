"""The one face the stream sees: posts with prepared images in, scored labels out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Concept = Literal["informativeness", "humanitarian", "damage", "request"]
CONCEPTS: tuple[Concept, ...] = ("informativeness", "humanitarian", "damage", "request")

LABELS: Mapping[Concept, tuple[str, ...]] = {
    "informativeness": ("not_informative", "informative"),
    "humanitarian": (
        "affected_individuals",
        "infrastructure_and_utility_damage",
        "not_humanitarian",
        "other_relevant_information",
        "rescue_volunteering_or_donation_effort",
    ),
    "damage": ("little_or_no_damage", "mild_damage", "severe_damage"),
    "request": ("no_request", "request"),
}

MODALITIES = ("text", "image", "context")


class ModelRefusedError(ValueError):
    """A model that must not label posts. The message is ours alone and quotes nothing of the model's files."""


class DeviceError(ValueError):
    """A model cannot run where it was told to. The message is ours alone."""


class ContextFacts(NamedTuple):
    """Facts about a post that do not identify the event (method.md section 1). None means unknown."""

    followers: int | None = None
    friends: int | None = None
    statuses: int | None = None
    favourites: int | None = None
    reposts: int | None = None
    account_age_days: float | None = None
    verified: bool | None = None
    links: int = 0
    mentions: int = 0
    hashtags: int = 0
    images: int = 0
    is_repost: bool = False
    language: str | None = None
    hour: float | None = None
    """Hour of day in UTC, 0 <= hour < 24."""


class PostInput(NamedTuple):
    """What the model sees of one post. ``images`` are arrays [S, S, 3] uint8 made by :meth:`Scorer.prepare`."""

    text: str
    images: tuple[NDArray[np.uint8], ...] = ()
    context: ContextFacts = ContextFacts()


@dataclass(frozen=True, slots=True)
class ConceptScore:
    """One concept's answer: ``probabilities`` over all its classes (calibrated, sum 1); ``label`` is the likeliest.

    ``label`` is None with a ``reason`` where the concept does not apply (damage of a post without a usable image).
    """

    label: str | None
    probability: float | None
    probabilities: Mapping[str, float]
    reason: str | None = None


NO_IMAGE = ConceptScore(None, None, {}, "no usable image: damage is judged from photos")
"""The answer to damage where a post has none."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why: modalities used, their attention weights w (eq. 1), the pair weights w_xy (eq. 5), e.g. ``text+image``."""

    used: tuple[str, ...]
    attention: Mapping[str, float]
    pairs: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Scored:
    """The labels of one post and the explanation of how the modalities were weighed.

    ``alone`` has what its ``text`` and its ``image`` would be labelled without each other; empty unless it has both.
    """

    labels: Mapping[Concept, ConceptScore]
    explanation: Explanation
    alone: Mapping[str, Mapping[Concept, ConceptScore]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """A model's identity. ``hash`` is the SHA-256 of its safetensors, in hex."""

    name: str
    version: str
    hash: str
    languages: frozenset[str] = frozenset()
    """The languages whose texts it learned from, as primary subtags of BCP 47; empty where nobody said."""


BATCH = 64
"""Posts in a full batch where a scorer does not say otherwise in its ``batch``."""


@runtime_checkable
class Scorer(Protocol):
    """Scores posts. ``score`` and ``prepare`` are thread-safe: while one batch ends the next may begin."""

    info: ModelInfo
    image_size: int

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize and crop one RGB image to [S, S, 3] uint8, S = ``image_size``."""
        ...

    def score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Score posts in order, one answer each. Raises on a post the model cannot take; the caller bisects."""
        ...
