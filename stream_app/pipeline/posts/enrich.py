"""Language, place and eyewitnesses: what a post's text tells where its network does not."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from stream_app.pipeline.posts.atlas.atlas import Atlas, atlas
from stream_app.pipeline.posts.atlas.own import OwnAtlas, read_gazetteer
from stream_app.pipeline.posts.author_kind import is_eyewitness
from stream_app.pipeline.posts.language import detected_language
from stream_app.pipeline.posts.place import place_in
from stream_app.pipeline.posts.post import Place, Post
from stream_app.settings import PlaceSettings

logger = logging.getLogger(__name__)

T = TypeVar("T")

_RECENT, _SHORT = 4_096, 2_000
"""Texts read lately, and characters of those that are kept: copies and reposts, which come soon after what they repeat,
are not read again. All the longest together would be a gigabyte."""


def _recent(read: Callable[..., T]) -> Callable[..., T]:
    kept = lru_cache(_RECENT)(read)
    return lambda text, *more: kept(text, *more) if len(text) <= _SHORT else read(text, *more)


class Enricher:
    """Fills in the language and place of posts, and who was there. Calls take microseconds after :meth:`warm_up`.

    Raises:
        GazetteerError: the user's own gazetteer cannot be read.
    """

    def __init__(self, settings: PlaceSettings | None = None) -> None:
        path = settings.gazetteer if settings else None
        self._atlas: Atlas = OwnAtlas(read_gazetteer(path)) if path else atlas()
        self._language_of = _recent(detected_language)
        self._place_of = _recent(self._place)
        self._seen_by = _recent(is_eyewitness)

    def in_language(self, post: Post) -> Post:
        """The post with its language, which the model wants to know."""
        language = self._language_of(post.text) if post.language is None else None
        return post if language is None else post.model_copy(update={"language": language})

    def told(self, post: Post) -> Post:
        """The post with place and kind of author where its text tells them: what nobody asks of a quiet one.

        Copies and posts delivered again pass here too: an event stands for itself, whoever's labels it has. A text that
        breaks what reads it costs the post no more than its place.
        """
        try:
            return self._told(post)
        except Exception:
            logger.exception("the text of post %r of %s cannot be searched", post.id, post.network)
            return post

    def _told(self, post: Post) -> Post:
        told: dict[str, object] = {}
        if post.place is None and (place := self._place_of(post.text, post.language)) is not None:
            told["place"] = place
        if post.author.kind is None and self._seen_by(post.text):
            told["author"] = post.author.model_copy(update={"kind": "eyewitness"})
        return post.model_copy(update=told) if told else post

    def warm_up(self) -> None:
        """Load the language model now: about a second, once per process."""
        detected_language("The river has burst its banks.")
        self._place_of("Flood in Paris", None)

    def _place(self, text: str, language: str | None) -> Place | None:
        return place_in(text, language, self._atlas)
