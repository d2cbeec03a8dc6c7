"""Verdicts as rows to train on: the post that was judged and the labels its analysts agree on. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from stream_app.feedback.verdict import Verdict
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.facts import Fields


class Judged(NamedTuple):
    """A post with the labels it should have had, and the addresses of the photos the model saw of it."""

    event: Event
    labels: Mapping[str, str]
    photos: tuple[str, ...]


def judged(verdicts: Iterable[Verdict], events: Mapping[str, Event]) -> list[Judged]:
    """Every judged event that is still there, in the order of the first verdict on it.

    Of several analysts the label that more than half of them gave counts; where none is, the concept is left out.
    """
    of: defaultdict[str, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        of[verdict.event].append(verdict)
    found = []
    for name, several in of.items():
        event, labels = events.get(name), _agreed(several)
        if event is not None and labels:
            photos = tuple(media.url for media in event.media if media.status == "used")
            found.append(Judged(event, labels, photos))
    return found


def _agreed(verdicts: Sequence[Verdict]) -> dict[str, str]:
    votes: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for verdict in verdicts:
        for concept, label in verdict.labels.items():
            votes[concept][label] += 1
    leading = {concept: counted.most_common(1)[0] for concept, counted in votes.items()}
    return {concept: label for concept, (label, count) in leading.items() if 2 * count > votes[concept].total()}


def row_of(found: Judged, photo: str | None = None) -> Fields:
    """The row that ``model train --rows`` reads; ``photo`` is the path of the post's photo from the rows' file."""
    post = found.event.post
    row: Fields = {
        "id": found.event.id,
        "group": f"{post.network}:{post.root_id}",
        "text": post.text,
        "labels": dict(found.labels),
    }
    if photo:
        row["image"] = photo
    if post.language:
        row["language"] = post.language
    return row
