"""Facts about a post as a small vector (method section 1). Nothing in it tells the event, the date or the author."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from model.scorer import ContextFacts

LANGUAGES = ("en", "es", "fr", "pt", "de", "it", "ar", "hi")
"""Languages with a feature of their own; another language and an unknown one have one each."""
COUNTED = ("followers", "friends", "statuses", "favourites", "reposts", "account_age_days")
FEATURES = (
    *(f"{name}:{part}" for name in COUNTED for part in ("log", "known")),
    "verified",
    "verified:known",
    "links",
    "mentions",
    "hashtags",
    "images",
    "is_repost",
    "length",
    *(f"language:{name}" for name in (*LANGUAGES, "other", "unknown")),
    "hour:sin",
    "hour:cos",
    "hour:known",
)
"""The names of the vector's entries, in order."""


def features(facts: ContextFacts, text: str) -> list[float]:
    """The raw entries [len(FEATURES)] of one post: counts as log1p, each unknown as 0 with its known bit 0."""
    row: list[float] = []
    for name in COUNTED:
        value = getattr(facts, name)
        row += [0.0, 0.0] if value is None else [math.log1p(max(value, 0)), 1.0]
    row += [float(bool(facts.verified)), float(facts.verified is not None)]
    row += [math.log1p(max(n, 0)) for n in (facts.links, facts.mentions, facts.hashtags, facts.images)]
    row += [float(facts.is_repost), math.log1p(len(text))]
    language = "unknown" if facts.language is None else facts.language
    known = (*LANGUAGES, "unknown")
    row += [float(language == name) for name in LANGUAGES] + [
        float(language not in known),
        float(language == "unknown"),
    ]
    angle = 2 * math.pi * (facts.hour or 0.0) / 24
    return row + ([0.0, 0.0, 0.0] if facts.hour is None else [math.sin(angle), math.cos(angle), 1.0])


class ContextEncoder(nn.Module):
    """Facts to [b, len(FEATURES)], standardised as the training posts were.

    A fact that never varied in training gives 0 whatever it is, and one outside the range seen in training counts as
    the end of that range: a network cannot be surprised by what it never saw.
    """

    mean: Tensor
    scale: Tensor
    low: Tensor
    high: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.width = len(FEATURES)
        for name, value in (("mean", 0.0), ("scale", 1.0), ("low", -math.inf), ("high", math.inf)):
            self.register_buffer(name, torch.full((self.width,), value))

    def fit(self, facts: Sequence[ContextFacts], texts: Sequence[str]) -> None:
        """Take the mean, spread and range of each entry from training posts."""
        raw = self._raw(facts, texts)
        self.low, self.high = raw.amin(0), raw.amax(0)
        self.mean = raw.mean(0)
        spread = raw.std(0)
        self.scale = torch.where(self.high > self.low, 1 / spread.clamp(min=1e-6), 0.0)

    def forward(self, facts: Sequence[ContextFacts], texts: Sequence[str]) -> Tensor:
        """Encode posts given their facts and texts."""
        raw = self._raw(facts, texts).to(self.mean.device)
        return (raw.clamp(self.low, self.high) - self.mean) * self.scale

    def _raw(self, facts: Sequence[ContextFacts], texts: Sequence[str]) -> Tensor:
        return torch.tensor([features(f, t) for f, t in zip(facts, texts, strict=True)]).reshape(-1, self.width)
