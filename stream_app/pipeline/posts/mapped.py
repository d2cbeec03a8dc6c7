"""Other people's JSON read by a table of paths: each fact of our Post is what a JMESPath expression finds.

https://jmespath.org; the table is ``[feed.mapping]`` in ``crisis-stream.toml``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError

from stream_app.pipeline.posts import own
from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.facts import Fields, identifier, string
from stream_app.pipeline.posts.post import Withdrawal
from stream_app.settings import FeedSettings

FACTS = frozenset(
    {
        "id", "root_id", "kind", "url", "text", "language", "created_at", "media", "hashtags", "links", "mentions",
        "favourites", "reposts", "sensitive", "author.key", "author.followers", "author.friends", "author.statuses",
        "author.verified", "author.created_at", "place.name", "place.country_code", "place.latitude", "place.longitude",
    }
)  # fmt: skip
"""What may be mapped."""


class Mapped:
    """Reads an object by a table of paths, one for each fact.

    Args:
        network: What the posts' network is called here: x, bluesky, mastodon or other.
        paths: A JMESPath expression for each fact; id and text are needed.

    Raises:
        ValueError: a fact is not one of ours, an expression is none, or id or text has none.
    """

    def __init__(self, network: str, paths: Mapping[str, str]) -> None:
        if unknown := sorted(paths.keys() - FACTS):
            raise ValueError(
                f"feed.mapping: {unknown[0]} is not a fact of a post; there are {', '.join(sorted(FACTS))}"
            )
        if missing := sorted({"id", "text"} - paths.keys()):
            raise ValueError(f"feed.mapping: {missing[0]} needs a path")
        self._network, self._paths = network, {}
        for fact, path in paths.items():
            try:
                self._paths[fact] = jmespath.compile(path)
            except JMESPathError as error:
                where = str(error).splitlines()[0]
                raise ValueError(f"feed.mapping: {fact} = {path!r} is no JMESPath expression: {where}") from None

    @classmethod
    def of(cls, feed: FeedSettings) -> Mapped | None:
        """By the settings, or None where nothing is mapped."""
        return cls(feed.network, feed.paths) if feed.mapping else None

    def fits(self, value: Fields) -> bool:
        """Whether both an id and a text are found."""
        return identifier(self._find("id", value)) is not None and string(self._find("text", value)) is not None

    def read(self, value: Fields) -> Fields | Withdrawal:
        """The fields of a Post.

        Raises:
            PostError: the id or the time is missing.
        """
        fields: Fields = {"network": self._network}
        for fact in self._paths:
            name, _, inner = fact.partition(".")
            found = self._find(fact, value)
            if found is not None and inner:
                fields.setdefault(name, {})[inner] = found
            elif found is not None:
                fields[name] = found
        return own.read(fields)

    def _find(self, fact: str, value: Fields) -> Any:
        try:
            return self._paths[fact].search(value)
        except (JMESPathError, TypeError, ValueError, AttributeError) as error:
            raise PostError(f"feed.mapping: {fact} could not be looked up: {error!s:.200}.") from None
