"""Language and place: what a post's text tells where its network does not."""

from __future__ import annotations

from stream_app.pipeline.posts.gazetteer import gazetteer
from stream_app.pipeline.posts.language import detected_language
from stream_app.pipeline.posts.place import place_in
from stream_app.pipeline.posts.post import Post


def enrich(post: Post) -> Post:
    """The post with ``language`` and ``place`` filled in where its text tells them; what the network gave stays.

    Microseconds after the first call; call :func:`warm_up` before a loop that must not pause.
    """
    found = {
        "language": detected_language(post.text) if post.language is None else None,
        "place": place_in(post.text) if post.place is None else None,
    }
    told = {name: value for name, value in found.items() if value is not None}
    return post.model_copy(update=told) if told else post


def warm_up() -> None:
    """Load the language model and the gazetteer now: about a second, once per process."""
    detected_language("The river has burst its banks.")
    gazetteer()
