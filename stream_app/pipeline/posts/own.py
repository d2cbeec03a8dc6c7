"""Our own format: a :class:`~stream_app.pipeline.posts.post.Post` as JSON, for feeds of networks not known here."""

from __future__ import annotations

import re

from stream_app.pipeline.posts.facts import Fields, author_key, mapping, moment, required_id, required_time, web_address
from stream_app.pipeline.posts.language import network_language

_NAME = "normalised post"
_KEY = re.compile(r"[0-9a-f]{16}")


def read(value: Fields) -> Fields:
    """The fields of a Post as given, checked by the model itself; ``root_id`` is ``id`` when it is left out.

    An author key that is not 16 hex digits is taken for a raw id and hashed: raw ids never travel on.

    Raises:
        PostError: the id or time is missing.
    """
    post_id = required_id(value.get("id"), "id", _NAME)
    author = mapping(value.get("author"))
    key = author.get("key")
    if key is not None and not (isinstance(key, str) and _KEY.fullmatch(key)):
        author = {**author, "key": author_key(str(value.get("network")), key)}
    return {
        **value,
        "id": post_id,
        "root_id": value.get("root_id") or post_id,
        "url": web_address(value.get("url")),
        "created_at": required_time(moment(value.get("created_at")), "created_at", _NAME),
        "language": network_language(value.get("language")),
        "author": author,
    }
