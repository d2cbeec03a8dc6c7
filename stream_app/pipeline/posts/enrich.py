"""Language and place: what a post's text tells where its network does not."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from stream_app.pipeline.posts.gazetteer import gazetteer
from stream_app.pipeline.posts.language import detected_language
from stream_app.pipeline.posts.place import place_in
from stream_app.pipeline.posts.post import Post

T = TypeVar("T")

_RECENT, _SHORT = 4_096, 2_000
"""Texts read lately, and characters of those that are kept: copies and reposts, which come soon after what they repeat,
are not read again. All the longest together would be a gigabyte."""


def _recent(read: Callable[[str], T]) -> Callable[[str], T]:
    kept = lru_cache(_RECENT)(read)
    return lambda text: kept(text) if len(text) <= _SHORT else read(text)


_language_of = _recent(detected_language)
_place_of = _recent(place_in)


def enrich(post: Post) -> Post:
    """The post with ``language`` and ``place`` filled in where its text tells them; what the network gave stays.

    Microseconds after the first call; call :func:`warm_up` before a loop that must not pause. Every post passes here,
    a copy or one delivered again too: its event stands for itself, whoever labelled it.
    """
    told: dict[str, object] = {}
    if post.language is None and (language := _language_of(post.text)) is not None:
        told["language"] = language
    if post.place is None and (place := _place_of(post.text)) is not None:
        told["place"] = place
    return post.model_copy(update=told) if told else post


def warm_up() -> None:
    """Load the language model and the gazetteer now: about a second, once per process."""
    detected_language("The river has burst its banks.")
    gazetteer()
