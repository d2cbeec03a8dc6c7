"""A scorer without a network: keyword rules. Tests use it, and ``bench`` uses it to time the shell alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.scorer import LABELS, NO_IMAGE, Concept, ConceptScore, Explanation, ModelInfo, PostInput, Scored

_REQUEST = re.compile("help us|please help|trapped|urgent")
# The first family that a text has a word of decides.
_FAMILIES = {
    "infrastructure_and_utility_damage": re.compile("collapsed|destroyed|damage|wreck|ruin"),
    "affected_individuals": re.compile("injured|dead|killed|missing|stranded|victim"),
    "rescue_volunteering_or_donation_effort": re.compile("donate|rescue|volunteer|relief|help"),
}


class FixedScorer:
    """Labels by keyword; deterministic, a microsecond or two a post."""

    info = ModelInfo(name="fixed", version="1", hash="0" * 64)
    image_size = 224

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize to a square, [224, 224, 3] uint8."""
        return np.asarray(image.convert("RGB").resize((self.image_size, self.image_size)), dtype=np.uint8)

    def score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Label each post by the first keyword family its text has."""
        return [_of(post.text.lower(), seen=bool(post.images)) for post in posts]


def _of(text: str, *, seen: bool) -> Scored:
    return _scored(_category(text), seen=seen, asks=bool(_REQUEST.search(text)))


def _category(text: str) -> str:
    return next((label for label, words in _FAMILIES.items() if words.search(text)), "not_humanitarian")


@cache
def _scored(category: str, *, seen: bool, asks: bool) -> Scored:
    informative = "not_informative" if category == "not_humanitarian" else "informative"
    damage = "severe_damage" if category.startswith("infra") else "little_or_no_damage"
    used = ("text", "image", "context") if seen else ("text", "context")
    pairs = [f"{x}+{y}" for x, y in combinations(used, 2)]
    return Scored(
        labels={
            "informativeness": _concept("informativeness", informative),
            "humanitarian": _concept("humanitarian", category),
            "damage": _concept("damage", damage) if seen else NO_IMAGE,
            "request": _concept("request", "request" if asks else "no_request"),
        },
        explanation=Explanation(
            used=used,
            attention=dict.fromkeys(used, 1 / len(used)),
            pairs=dict.fromkeys(pairs, 1 / len(pairs)),
        ),
    )


def _concept(concept: Concept, label: str, probability: float = 0.9) -> ConceptScore:
    labels = LABELS[concept]
    rest = (1.0 - probability) / (len(labels) - 1)
    return ConceptScore(label, probability, {name: probability if name == label else rest for name in labels})
