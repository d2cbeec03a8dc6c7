"""A post and its fetched images become what the model sees."""

from __future__ import annotations

from collections.abc import Sequence

from model.scorer import ContextFacts, PostInput
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.post import Post

_DAY_S = 86_400.0


def model_input(post: Post, outcomes: Sequence[MediaOutcome] = ()) -> PostInput:
    """The model's view of a post: its text, the images that could be used (in order), its context facts."""
    images = tuple(outcome.image for outcome in outcomes if outcome.image is not None)
    return PostInput(post.text, images, context_facts(post))


def context_facts(post: Post) -> ContextFacts:
    """Facts that do not identify the event (method.md section 1); the hour is in UTC with its fraction."""
    author, created = post.author, post.created_at
    age = (created - author.created_at).total_seconds() / _DAY_S if author.created_at else None
    return ContextFacts(
        followers=author.followers,
        friends=author.friends,
        statuses=author.statuses,
        favourites=post.favourites,
        reposts=post.reposts,
        account_age_days=max(age, 0.0) if age is not None else None,
        verified=author.verified,
        links=post.links,
        mentions=post.mentions,
        hashtags=len(post.hashtags),
        images=len(post.media),
        is_repost=post.kind == "repost",
        language=post.language,
        hour=created.hour + created.minute / 60,
    )
