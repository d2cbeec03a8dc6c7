"""A post's facts reach the model unchanged, and nothing that identifies the event does."""

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.labelling.inputs import context_facts, model_input
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.post import Author, MediaLink, Post

NOW = datetime(2026, 3, 1, 18, 30, tzinfo=UTC)


def a_post(**more):
    return Post(network="x", id="1", root_id="1", text="bridge collapsed", created_at=NOW, **more)


def test_images_keep_their_order_and_unusable_ones_leave_no_gap():
    first, third = (np.full((2, 2, 3), n, dtype=np.uint8) for n in (1, 3))
    outcomes = [
        MediaOutcome("https://a/1", "used", image=first),
        MediaOutcome("https://a/2", "late", reason="took too long"),
        MediaOutcome("https://a/3", "used", image=third),
    ]
    assert [image[0, 0, 0] for image in model_input(a_post(), outcomes).images] == [1, 3]


def test_facts_are_copied():
    post = a_post(
        author=Author(followers=5, friends=0, verified=True, created_at=NOW - timedelta(days=2)),
        media=(MediaLink(url="https://a/1"),),
        hashtags=("flood", "help"),
        links=1,
        mentions=2,
        kind="repost",
        language="en",
        favourites=7,
        reposts=8,
    )
    facts = context_facts(post)
    assert (facts.followers, facts.friends, facts.statuses, facts.verified) == (5, 0, None, True)
    assert (facts.links, facts.mentions, facts.hashtags, facts.images) == (1, 2, 2, 1)
    assert (facts.favourites, facts.reposts, facts.is_repost, facts.language) == (7, 8, True, "en")
    assert facts.account_age_days == 2.0
    assert facts.hour == 18.5


def test_an_account_made_after_its_post_is_new_not_negative():
    assert context_facts(a_post(author=Author(created_at=NOW + timedelta(days=1)))).account_age_days == 0.0


@given(st.datetimes(min_value=datetime(1970, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_the_hour_is_of_the_day(created):
    post = a_post().model_copy(update={"created_at": created})
    assert 0 <= context_facts(post).hour < 24
