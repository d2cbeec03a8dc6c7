"""Which of a network's messages go into the feed. Pure; asked before Kafka, and of what the network cannot filter."""

from __future__ import annotations

import unicodedata

from stream_app.pipeline.posts.language import network_language
from stream_app.pipeline.posts.parse import parse_record
from stream_app.pipeline.posts.post import Post
from stream_app.settings import SourceSettings


class Filter:
    """Words or boxes (either will do), and languages. What is not asked for holds.

    Better a post too many than a cry for help too few: a post of no known language passes the languages, and what
    cannot be read passes all, to become a dead letter that a person can see. A repost that carries no text (Bluesky's)
    passes no words.
    """

    def __init__(self, settings: SourceSettings) -> None:
        self._words = tuple(_plain(word) for word in settings.words if word.strip())
        self._boxes = settings.boxes
        self._languages = frozenset(filter(None, map(network_language, settings.languages)))

    def passes(self, value: bytes) -> bool:
        """Whether a message holds anything that is wanted."""
        if not (self._words or self._boxes or self._languages):
            return True
        found = parse_record(value)
        return bool(found.problems or found.withdrawals) or any(map(self._wants, found.posts))

    def _wants(self, post: Post) -> bool:
        if self._languages and post.language is not None and post.language not in self._languages:
            return False
        if not (self._words or self._boxes):
            return True
        return self._says(post) or self._lies_in(post)

    def _says(self, post: Post) -> bool:
        text = _plain(" ".join((post.text, *post.hashtags)))
        return any(word in text for word in self._words)

    def _lies_in(self, post: Post) -> bool:
        place = post.place
        if place is None or place.latitude is None or place.longitude is None:
            return False
        return any(inside(box, place.longitude, place.latitude) for box in self._boxes)


def inside(box: tuple[float, float, float, float], longitude: float, latitude: float) -> bool:
    """Whether a point lies in ``box``: west, south, east, north in degrees; west > east crosses the antimeridian."""
    west, south, east, north = box
    if not south <= latitude <= north:
        return False
    return west <= longitude <= east if west <= east else longitude >= west or longitude <= east


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
