"""Which posts are the same post: reposts by the id of their root, copies by their text and media."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from stream_app.pipeline.posts.post import Post

_TRAILING_LINKS = re.compile(r"(?:\s*https?://t\.co/\w+)+\s*$")


def normalised_text(text: str) -> str:
    """NFKC, case folded, runs of white space made one space, t.co links at the end dropped (X adds one per photo)."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    if "://t.co/" in text:
        text = _TRAILING_LINKS.sub("", text)
    return " ".join(text.casefold().split())


def root_key(post: Post) -> str:
    """The key a post shares with all its reposts: ``root:network:root id``."""
    return f"root:{post.network}:{post.root_id}"


def content_key(post: Post) -> str | None:
    """The key a post shares with exact copies: of normalised text and sorted media addresses; None with neither.

    32 hex digits of SHA-256; the language, author and network play no part.
    """
    text = normalised_text(post.text)
    if not text and not post.media:
        return None
    parts = [text, *sorted(link.url for link in post.media)]
    return "same:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def keys(post: Post) -> tuple[str, ...]:
    """Every key to look a post up by: its root's, its root's as seen with photos, its content's; where it has any.

    A post is a duplicate when a post was remembered under any of these (:func:`keys_to_remember`). So a repost meets
    its root by the first key whether or not it carries the root's text, and a copy meets the copied by the last. A
    repost that carries photos meets its root only where that had some: what was labelled without them knew less.
    """
    root, content = root_key(post), content_key(post)
    if content is None:
        return (root,)
    return (root, f"{root}+photos", content) if post.media else (root, content)


def keys_to_find(post: Post, found: tuple[str, ...]) -> tuple[str, ...]:
    """Of a post's :func:`keys` those it may be found by: its content's first, and alone unless it is a repost.

    Where a post's id is known with another content, one of the two is an edit of the other. A repost that X cut short
    is found by its root's key first, which knows more.
    """
    if post.kind != "repost":
        return found[-1:]
    if post.media:
        return found[:0:-1]
    return found if _cut_short(post) else found[::-1]


def keys_to_remember(post: Post, found: tuple[str, ...] | None = None) -> tuple[str, ...]:
    """The keys a labelled post may answer for: all of :func:`keys`, unless it is a repost without its root's content.

    A repost without text (Bluesky), or cut short by X, must not give its poor labels to the root that comes later: an
    empty one is not remembered, a cut one by its content only. ``found`` saves computing :func:`keys` again.
    """
    found = keys(post) if found is None else found
    if post.kind != "repost":
        return found
    return found if len(found) > 1 and not _cut_short(post) else found[1:]


def lacks_its_root(post: Post) -> bool:
    """Whether it repeats another post and carries nothing of it, so that without that post it says nothing."""
    return post.kind == "repost" and not post.media and not normalised_text(post.text)


def _cut_short(post: Post) -> bool:
    return not post.media and normalised_text(post.text).endswith(("…", "..."))


def duplicate_key(post: Post) -> str:
    """One key for callers that keep only one: the root's for a post without content, else the content's.

    Reposts that carry their root's text and media share the root's key, as exact copies do.
    """
    return keys(post)[-1]
