"""Authors' pseudonyms made with a secret (HMAC, RFC 2104): whoever has the networks' ids cannot compute them."""

from __future__ import annotations

import hashlib
import hmac

from stream_app.pipeline.posts.parse import Parsed
from stream_app.pipeline.posts.post import Post, Withdrawal


def pseudonym(key: str, secret: str) -> str:
    """First 16 hex digits of HMAC-SHA-256 of an :attr:`.post.Author.key` under ``secret``."""
    return hmac.new(secret.encode(), key.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]


def with_pseudonyms(parsed: Parsed, secret: str | None) -> Parsed:
    """The same with all author keys made with the secret; as it is without one."""
    if not secret:
        return parsed
    return parsed._replace(
        posts=tuple(_post(post, secret) for post in parsed.posts),
        withdrawals=tuple(_withdrawal(each, secret) for each in parsed.withdrawals),
    )


def _post(post: Post, secret: str) -> Post:
    if post.author.key is None:
        return post
    author = post.author.model_copy(update={"key": pseudonym(post.author.key, secret)})
    return post.model_copy(update={"author": author})


def _withdrawal(withdrawal: Withdrawal, secret: str) -> Withdrawal:
    if withdrawal.author_key is None or withdrawal.keyed:
        return withdrawal
    return withdrawal.model_copy(update={"author_key": pseudonym(withdrawal.author_key, secret)})
