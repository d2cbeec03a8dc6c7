"""Language and place: what a post's text tells where its network does not."""

from __future__ import annotations

from functools import lru_cache

from stream_app.pipeline.posts.gazetteer import gazetteer
from stream_app.pipeline.posts.language import detected_language
from stream_app.pipeline.posts.place import place_in
from stream_app.pipeline.posts.post import Post

_RECENT = 4_096
"""Texts read lately: copies and reposts, which come soon after what they repeat, are not read again."""

_language_of = lru_cache(_RECENT)(detected_language)
_place_of = lru_cache(_RECENT)(place_in)


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
