"""How values become posts as the settings want it: by a registry's schemas, by a mapping, with keyed pseudonyms."""

from __future__ import annotations

from collections.abc import Callable

from stream_app.pipeline.feed.registry import Asking
from stream_app.pipeline.feed.schemas import SchemaError
from stream_app.pipeline.posts.errors import PostError
from stream_app.pipeline.posts.mapped import Mapped
from stream_app.pipeline.posts.parse import Headers, Parsed, parse_record, time_us
from stream_app.pipeline.posts.pseudonym import with_pseudonyms
from stream_app.settings import FeedSettings, PostSettings

Plain = Callable[[bytes | None], bytes | None]


class Reader:
    """The one way in which a worker, ``label``, ``feed check``, ``replay`` and ``model diff`` read what is fed to them.

    Args:
        feed: The mapping and the registry.
        posts: The secret for authors' keys.
        plain: Makes JSON of framed values; by default a registry that is asked, and waited for, once a schema.

    Raises:
        ValueError: the mapping is wrong.
    """

    def __init__(
        self, feed: FeedSettings | None = None, posts: PostSettings | None = None, plain: Plain | None = None
    ) -> None:
        feed, secret = feed or FeedSettings(), (posts or PostSettings()).author_salt
        self._plain = plain or Asking(feed.registry)
        self._mapped = Mapped.of(feed)
        self._secret = secret.get_secret_value() if secret else None

    def read(
        self, value: bytes | None, headers: Headers = (), timestamp: float | None = None, key: bytes | None = None
    ) -> Parsed:
        """All that a record holds; arguments as of :func:`~stream_app.pipeline.posts.parse.parse_record`.

        Raises:
            AwayError: the registry does not answer.
        """
        try:
            parsed = parse_record(self._plain(value), headers, timestamp, key, self._mapped)
        except SchemaError as error:
            return Parsed(problems=(PostError(str(error)),))
        return with_pseudonyms(parsed, self._secret)

    def seen_at(self, value: bytes) -> float | None:
        """When a network saw what a value holds, in seconds since 1970: its ``time_us``, or its first post's time."""
        seen = time_us(value)
        if seen is None:
            posts = self.read(value).posts
            seen = posts[0].created_at if posts else None
        return seen.timestamp() if seen else None
