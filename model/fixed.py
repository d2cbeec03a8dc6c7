"""A scorer without a network: keyword rules. Tests use it, and ``bench`` uses it to time the shell alone."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.scorer import LABELS, Concept, ConceptScore, Explanation, ModelInfo, PostInput, Scored

_DAMAGE_WORDS = ("collapsed", "destroyed", "damage", "wreck", "ruin")
_PEOPLE_WORDS = ("injured", "dead", "killed", "missing", "stranded", "victim")
_RESCUE_WORDS = ("donate", "rescue", "volunteer", "relief", "help")


@cache
def _concept(concept: Concept, label: str, probability: float = 0.9) -> ConceptScore:
    labels = LABELS[concept]
    rest = (1.0 - probability) / (len(labels) - 1)
    return ConceptScore(label, probability, {name: probability if name == label else rest for name in labels})


class FixedScorer:
    """Labels by keyword; deterministic, microseconds a post."""

    info = ModelInfo(name="fixed", version="1", hash="0" * 64)
    image_size = 224

    def prepare(self, image: Image.Image) -> NDArray[np.uint8]:
        """Resize to a square, [224, 224, 3] uint8."""
        return np.asarray(image.convert("RGB").resize((self.image_size, self.image_size)), dtype=np.uint8)

    def score(self, posts: Sequence[PostInput]) -> list[Scored]:
        """Label each post by the first keyword family its text has."""
        return [self._score(post) for post in posts]

    def _score(self, post: PostInput) -> Scored:
        text = post.text.lower()
        category = "not_humanitarian"
        for label, words in (
            ("infrastructure_and_utility_damage", _DAMAGE_WORDS),
            ("affected_individuals", _PEOPLE_WORDS),
            ("rescue_volunteering_or_donation_effort", _RESCUE_WORDS),
        ):
            if any(word in text for word in words):
                category = label
                break
        informative = "not_informative" if category == "not_humanitarian" else "informative"
        damage = (
            _concept("damage", "severe_damage" if category.startswith("infra") else "little_or_no_damage")
            if post.images
            else ConceptScore(None, None, {}, "no usable image: damage is judged from photos")
        )
        used = ("text", "image", "context") if post.images else ("text", "context")
        pairs = [f"{x}+{y}" for i, x in enumerate(used) for y in used[i + 1 :]]
        return Scored(
            labels={
                "informativeness": _concept("informativeness", informative),
                "humanitarian": _concept("humanitarian", category),
                "damage": damage,
            },
            explanation=Explanation(
                used=used,
                attention=dict.fromkeys(used, 1 / len(used)),
                pairs=dict.fromkeys(pairs, 1 / len(pairs)),
            ),
        )
