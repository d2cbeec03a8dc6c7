"""A file in which nothing is a post is refused before anything is done with it."""

from __future__ import annotations

from pathlib import Path

from stream_app.pipeline.feed.archive import items
from stream_app.pipeline.posts.reader import Reader


def why_no_posts(path: Path, reader: Reader) -> str | None:
    """Why nothing in a file is a post, nor takes one back: what it looks like; None as soon as something is.

    An empty file is not refused.

    Raises:
        DAMAGED: see :mod:`stream_app.pipeline.feed.archive`.
        AwayError: the registry does not answer.
    """
    looks, seen = None, 0
    with path.open("rb") as raw:
        for item in items(raw, path.name):
            if item.too_long:
                return None
            found = reader.read(item.value, timestamp=1.0)
            if found.posts or found.withdrawals:
                return None
            if item.value and not item.value.isspace():
                seen += 1
                looks = looks or [*(each.reason for each in found.problems), *found.notices][0]
    if not seen:
        return None
    return (
        f"{path}: nothing in it is a post ({seen:,} {'line' if seen == 1 else 'lines'}). The first: {looks} "
        "docs/formats.md says what is read; crisis-stream feed check FILE goes through it line by line"
    )
