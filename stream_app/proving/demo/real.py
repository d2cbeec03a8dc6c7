"""The real input: labelled posts of the Sri Lanka floods with their photos, and how often subscribers read the truth.

The rows are the test part of the split that the shipped model never saw (research use only; nothing of them is copied).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from rich.table import Table

from model.data.crisis import load_rows
from model.data.rows import Row
from model.scorer import CONCEPTS
from stream_app.pipeline.events.event import Event

EVENT = "srilanka_floods"


def test_rows(data: Path) -> list[Row]:
    """The labelled posts with a photo that the model was not trained on.

    Raises:
        FileNotFoundError: ``data`` lacks the table of posts or the list of photos.
    """
    return [row for row in load_rows(data) if row.event == EVENT and row.split == "test" and row.text and row.image]


def as_post(row: Row, photos: Path, images: str) -> bytes:
    """A row as a line in our own format, its photo on the host ``images`` that serves the folder ``photos``."""
    facts = row.context
    assert facts is not None
    assert row.image is not None
    hour = facts.hour or 0.0
    return json.dumps(
        {
            "network": "x",
            "id": row.key,
            "text": row.text,
            "kind": "repost" if facts.is_repost else "original",
            "created_at": f"2017-05-31T{int(hour):02}:{round(hour % 1 * 60) % 60:02}:00Z",
            "media": [{"url": f"{images}/{row.image.relative_to(photos).as_posix()}"}],
            "links": facts.links,
            "mentions": facts.mentions,
            "hashtags": ["tag"] * facts.hashtags,
        }
    ).encode()


def report(rows: list[Row], events: Mapping[str, Event]) -> Table:
    """Accuracy and macro-F1 of what subscribers read, by concept and by whose labels it is held against."""
    from sklearn.metrics import accuracy_score, f1_score

    read = {event.post.id: event for event in events.values()}
    title = f"What subscribers read, {len(read)} real posts with photos ({EVENT}, test part)"
    table = Table(title=title, caption=_for_review(rows, read), caption_justify="left")
    for column in ("concept", "labels of", "n", "majority", "accuracy", "macro-F1"):
        table.add_column(column, justify="left" if column in {"concept", "labels of"} else "right")
    for concept in CONCEPTS:
        for side, labels in (("the post", "of_post"), ("judges agreed", "agreed"), ("the photo", "of_image")):
            pairs = [
                (truth, getattr(read[row.key].labels, concept).label or "none")
                for row in rows
                if row.key in read and (truth := getattr(row, labels).get(concept))
            ]
            if not pairs:
                continue
            true, guess = zip(*pairs, strict=True)
            majority = max(true.count(label) for label in set(true)) / len(true)
            figures = (accuracy_score(true, guess), f1_score(true, guess, average="macro", zero_division=0))
            table.add_row(concept, side, str(len(pairs)), f"{majority:.3f}", *(f"{figure:.3f}" for figure in figures))
    return table


def _for_review(rows: list[Row], read: Mapping[str, Event]) -> str:
    """How well ``review`` finds the posts whose text and photo people put into different humanitarian categories."""
    judged = [row for row in rows if row.key in read and {"humanitarian"} <= row.of_text.keys() & row.of_image.keys()]
    disputed = {row.key for row in judged if row.of_text["humanitarian"] != row.of_image["humanitarian"]}
    asked = {row.key for row in judged if read[row.key].review}
    return (
        f"For review: {len(asked)} of {len(judged)}. People put text and photo of {len(disputed)} into different "
        f"categories; {len(asked & disputed)} of these are for review."
    )
