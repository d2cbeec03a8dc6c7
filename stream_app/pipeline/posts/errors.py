"""What parsing may answer instead of a post."""

from __future__ import annotations


class PostError(ValueError):
    """The value is not a post we can read; ``reason`` is one plain sentence naming the format and the field.

    ``part`` is the one bad post of a record that holds several, as JSON that stands alone; None means all of it.
    """

    def __init__(self, reason: str, part: bytes | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.part = part


class NotAPost(PostError):  # noqa: N818 - it is no error
    """A control line of a stream (a deletion, a limit notice, an account event): counted and skipped, not an error."""
