"""Reposts and copies share a key with the post they repeat; different posts do not."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.posts.identity import duplicate_key, keys, keys_to_find, keys_to_remember, normalised_text
from stream_app.pipeline.posts.parse import parse_post
from stream_app.pipeline.posts.post import MediaLink, Post

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def post(text="Bridge down", post_id="1", root_id=None, media=(), network="x", kind="original"):
    return Post(
        network=network,
        id=post_id,
        root_id=root_id or post_id,
        kind=kind,
        text=text,
        created_at=NOON,
        media=tuple(MediaLink(url=url) for url in media),
    )


def same(one: Post, other: Post) -> bool:
    return bool(set(keys(one)) & set(keys(other)))


def test_a_repost_meets_its_root_with_or_without_the_roots_text():
    root = post(post_id="1", media=["https://a.example/1.jpg"])
    assert same(root, post(post_id="2", root_id="1", kind="repost", media=["https://a.example/1.jpg"]))
    assert same(root, post("", post_id="3", root_id="1", kind="repost"))
    assert same(root, post("Bridge do…", post_id="4", root_id="1", kind="repost"))
    assert not same(root, post("", post_id="1", network="bluesky")), "ids belong to their network"


def test_two_reposts_without_text_share_a_key_only_when_they_share_a_root():
    one, two = (post("", post_id=name, root_id="at://r", kind="repost", network="bluesky") for name in "ab")
    assert keys(one) == keys(two) == ("root:bluesky:at://r",)
    assert not same(one, post("", post_id="c", root_id="at://s", kind="repost", network="bluesky"))


def test_a_repost_without_its_roots_content_does_not_answer_for_the_root():
    root = post(post_id="1")
    whole = post(post_id="2", root_id="1", kind="repost")
    assert keys_to_remember(root) == keys(root)
    assert keys_to_remember(whole) == keys(whole)
    assert keys_to_remember(post("", post_id="3", root_id="1", kind="repost")) == ()
    cut = post("Bridge down near the…", post_id="4", root_id="1", kind="repost")
    assert keys_to_remember(cut) == keys(cut)[1:]
    assert not set(keys_to_remember(cut)) & set(keys(root))


@pytest.mark.parametrize(
    "copy",
    [
        "  bridge\n DOWN",
        "Bridge down https://t.co/abc",
        "Bridge down https://t.co/abc http://t.co/DEF ",
        "Ｂridge down",
    ],
)
def test_exact_copies_by_others_share_a_key(copy):
    assert same(post(), post(copy, post_id="2", network="mastodon"))
    assert duplicate_key(post()) == duplicate_key(post(copy, post_id="2"))


def test_other_text_or_other_photos_are_other_posts():
    photo = post(media=["https://a.example/1.jpg"], post_id="2")
    assert not same(post(), photo)
    assert not same(post(), post("Bridge open", post_id="2"))
    assert not same(post(), post("https://t.co/abc Bridge down", post_id="2")), "only links at the end are dropped"
    assert not same(photo, post(media=["https://a.example/2.jpg"], post_id="3"))
    both = ["https://a.example/1.jpg", "https://a.example/2.jpg"]
    assert same(post(media=both, post_id="4"), post(media=both[::-1], post_id="5"))


def test_empty_posts_are_not_all_the_same():
    assert not same(post("", post_id="1"), post("https://t.co/abc", post_id="2"))


def test_the_samples_repost_meets_the_samples_post(samples):
    assert same(parse_post(samples["bluesky"]), parse_post(samples["bluesky_repost"]))
    assert same(parse_post(samples["x_v2"]), parse_post(samples["x_v2_retweet"]))


@given(st.text(), st.lists(st.text(min_size=1), max_size=3))
def test_keys_are_stable_and_belong_to_the_content(text, media):
    one, two = post(text, "1", media=media), post(text, "2", media=media[::-1])
    assert keys(one) == keys(post(text, "1", media=media))
    assert keys(one)[2 if media else 1 :] == keys(two)[2 if media else 1 :]
    assert keys(one)[0] != keys(two)[0]
    assert duplicate_key(one) in keys(one)
    assert normalised_text(normalised_text(text)) == normalised_text(text)


def test_keys_survive_our_own_format(samples):
    for value in samples.values():
        found = parse_post(value)
        assert keys(parse_post(json.dumps(found.model_dump(mode="json")).encode())) == keys(found)


def test_a_repost_with_photos_meets_its_root_only_where_that_had_some():
    photo = ["https://a.example/1.jpg"]
    bare, seen = post(post_id="1"), post(post_id="1", media=photo)
    repost, shown = (post("RT cut…", "2", "1", media, kind="repost") for media in ((), photo))

    def meets(one, other):
        return not set(keys_to_find(one, keys(one))).isdisjoint(keys_to_remember(other))

    assert [meets(repost, bare), meets(repost, seen), meets(shown, bare), meets(shown, seen)] == [
        True,
        True,
        False,
        True,
    ]
