"""What moved a post's labels: the model asked again with each part left out. Pure; all variants go in one batch.

Leaving out (occlusion): Zeiler and Fergus, 2014, arXiv:1311.2901, for regions of a photo; Li, Monroe and Jurafsky,
2016, arXiv:1612.08220, for words. The pair is their interaction: what both together give beyond the sum of each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model.scorer import ContextFacts, PostInput, Scored, Scorer

PIECES = 48
"""Words left out in turn; a longer text is left out by groups of words, as many as these."""
GRID = 4
"""Regions a side of the first photo."""
MOVED = 0.01
"""A change of a probability below this moved nothing."""
_CARRIED = 0.02
_MOST_WORDS = 6
_LONG = 24
"""Letters from which on a word is cut: writing without blanks."""
_CUT = 3

Box = tuple[float, float, float, float]
"""A region of a photo, as shares of its sides: left, top, right, bottom."""


class Asked(NamedTuple):
    """A post as the model saw it: ``photos`` are whole, not yet prepared."""

    text: str
    photos: tuple[Image.Image, ...]
    context: ContextFacts


class _Variant(NamedTuple):
    kind: str
    what: Any
    post: PostInput


def reasons(scorer: Scorer, asked: Asked) -> dict[str, Any]:
    """For each concept that has a label: its ``share``, and what changes it by :data:`MOVED` at least when left out.

    ``without`` has the parts (``text``, ``image``, ``context``, or ``photo`` and its number where there are several)
    with the share that is left; ``pair`` two parts and what they give only together; ``words`` the beginning and end of
    pieces of the text with the change without each, the gravest first; ``region`` the box of the first photo whose loss
    lowers it most. What moved nothing is not in it.
    """
    variants = list(_variants(scorer, asked))
    answers = scorer.score([each.post for each in variants])
    return {
        concept: _of(concept, label.label, variants, answers)
        for concept, label in answers[0].labels.items()
        if label.label is not None
    }


def _variants(scorer: Scorer, asked: Asked) -> Iterator[_Variant]:
    whole = PostInput(asked.text, tuple(scorer.prepare(photo) for photo in asked.photos), asked.context)
    yield _Variant("whole", None, whole)
    there = {"text": bool(asked.text.strip()), "image": bool(whole.images), "context": True}
    parts = [part for part, has in there.items() if has]
    for part in parts if len(parts) > 1 else ():
        yield _Variant("part", part, _left_out(whole, {part}))
    for pair in combinations(parts, 2) if len(parts) > 2 else ():
        yield _Variant("pair", pair, _left_out(whole, set(pair)))
    for number in range(len(whole.images)) if len(whole.images) > 1 else ():
        left = whole.images[:number] + whole.images[number + 1 :]
        yield _Variant("part", number, whole._replace(images=left))
    for start, end in pieces(asked.text):
        yield _Variant("word", (start, end), whole._replace(text=f"{asked.text[:start]} {asked.text[end:]}"))
    for box, hidden in _hidden(asked.photos[0]) if asked.photos else ():
        yield _Variant("region", box, whole._replace(images=(scorer.prepare(hidden), *whole.images[1:])))


def _left_out(post: PostInput, parts: set[str]) -> PostInput:
    return PostInput(
        "" if "text" in parts else post.text,
        () if "image" in parts else post.images,
        ContextFacts() if "context" in parts else post.context,
    )


def pieces(text: str) -> list[tuple[int, int]]:
    """Beginning and end of each word, or of groups of neighbours: at most :data:`PIECES`; none for a single word."""
    words = []
    for found in re.finditer(r"\S+", text):
        start, end = found.span()
        step = _CUT if end - start > _LONG else end - start
        words += [(at, min(at + step, end)) for at in range(start, end, step)]
    size = -(-len(words) // PIECES) or 1
    groups = [words[i : i + size] for i in range(0, len(words), size)]
    return [(group[0][0], group[-1][1]) for group in groups] if len(groups) > 1 else []


def _hidden(photo: Image.Image) -> Iterator[tuple[Box, Image.Image]]:
    """The photo with each region of the grid painted in its mean colour."""
    pixels: NDArray[np.uint8] = np.array(photo.convert("RGB"))
    mean = pixels.mean(axis=(0, 1)).astype(np.uint8)
    height, width = pixels.shape[:2]
    for row in range(GRID):
        for column in range(GRID):
            hidden = pixels.copy()
            rows = slice(height * row // GRID, height * (row + 1) // GRID)
            hidden[rows, width * column // GRID : width * (column + 1) // GRID] = mean
            box = (column / GRID, row / GRID, (column + 1) / GRID, (row + 1) / GRID)
            yield box, Image.fromarray(hidden)


def _of(concept: Any, label: str, variants: Sequence[_Variant], answers: Sequence[Scored]) -> dict[str, Any]:
    def share(scored: Scored) -> float | None:
        return scored.labels[concept].probabilities.get(label)

    whole = share(answers[0]) or 0.0
    found = [
        (each.kind, each.what, left)
        for each, scored in zip(variants, answers, strict=True)
        if (left := share(scored)) is not None
    ]
    alone = {what: left for kind, what, left in found if kind == "part"}
    both = {what: left for kind, what, left in found if kind == "pair"}
    falls = sorted((left - whole, what) for kind, what, left in found if kind == "word")
    dips = sorted((left - whole, what) for kind, what, left in found if kind == "region")
    return {
        "label": label,
        "share": whole,
        "without": [
            {
                "part": what if isinstance(what, str) else "photo",
                "photo": what if isinstance(what, int) else None,
                "share": left,
            }
            for what, left in alone.items()
            if abs(left - whole) >= MOVED
        ],
        "pair": _pair(whole, alone, both),
        "words": [[*what, change] for change, what in falls[:_MOST_WORDS] if change <= -_CARRIED],
        "region": {"box": dips[0][1], "change": dips[0][0]} if dips and dips[0][0] <= -_CARRIED else None,
    }


def _pair(whole: float, alone: Mapping[Any, float], both: Mapping[tuple[str, str], float]) -> dict[str, Any] | None:
    """The two parts with the strongest interaction: whole - without x - without y + without both."""
    given = [(whole - alone[x] - alone[y] + left, x, y) for (x, y), left in both.items() if x in alone and y in alone]
    change, one, other = max(given, key=lambda each: abs(each[0]), default=(0.0, "", ""))
    return {"one": one, "other": other, "change": change} if abs(change) >= MOVED else None
