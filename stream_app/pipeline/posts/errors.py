"""What parsing may answer instead of a post."""

from __future__ import annotations


class PostError(ValueError):
    """The value is not a post we can read; ``reason`` is one plain sentence naming the format and the field."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class NotAPost(PostError):  # noqa: N818 - it is no error
    """A control line of a stream (a deletion, a limit notice, an account event): counted and skipped, not an error."""
