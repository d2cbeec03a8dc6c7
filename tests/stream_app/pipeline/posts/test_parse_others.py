"""Bluesky, Mastodon and our own format: what each field becomes, and what is no post."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stream_app.pipeline.posts.facts import author_key
from stream_app.pipeline.posts.parse import MAX_TEXT, NotAPost, PostError, parse_post
from stream_app.pipeline.posts.post import Post

BLOB = {"$type": "blob", "ref": {"$link": "bafkreiexample9"}, "mimeType": "image/jpeg", "size": 1}
CDN = "https://cdn.bsky.app/img/feed_fullsize/plain/did:plc:eygmaihciaxprqvxpfvl6flk"


def parsed(value):
    return parse_post(json.dumps(value).encode())


def test_a_bluesky_post_in_full(samples):
    post = parse_post(samples["bluesky"])
    assert post.network == "bluesky"
    assert post.id == post.root_id == "at://did:plc:eygmaihciaxprqvxpfvl6flk/app.bsky.feed.post/3lbd5gqx3ss2a"
    assert post.url == "https://bsky.app/profile/did:plc:eygmaihciaxprqvxpfvl6flk/post/3lbd5gqx3ss2a"
    assert (post.kind, post.language, post.hashtags, post.links, post.mentions) == ("original", "es", ("DANA",), 1, 1)
    assert post.created_at == datetime(2024, 11, 19, 7, 6, 41, 2000, tzinfo=UTC)
    assert [(link.url, link.alt_text) for link in post.media] == [(f"{CDN}/bafkreiexample1@jpeg", "Una calle inundada")]
    assert post.author.key == author_key("bluesky", "did:plc:eygmaihciaxprqvxpfvl6flk")


def test_a_bluesky_repost_names_its_root_and_has_no_text(samples):
    post, root = parse_post(samples["bluesky_repost"]), parse_post(samples["bluesky"])
    assert (post.kind, post.text, post.root_id) == ("repost", "", root.id)
    assert post.id != root.id
    assert post.author.key is None, "the root's author is not known from a repost"


@pytest.mark.parametrize(
    ("embed", "kind", "urls"),
    [
        ({"$type": "app.bsky.embed.record", "record": {"uri": "at://x", "cid": "y"}}, "quote", []),
        (
            {
                "$type": "app.bsky.embed.recordWithMedia",
                "record": {"record": {"uri": "at://x", "cid": "y"}},
                "media": {"$type": "app.bsky.embed.images", "images": [{"alt": "", "image": BLOB}]},
            },
            "quote",
            [f"{CDN}/bafkreiexample9@jpeg"],
        ),
        (
            {"$type": "app.bsky.embed.external", "external": {"uri": "https://a.example", "title": "", "thumb": BLOB}},
            "original",
            [f"{CDN}/bafkreiexample9@jpeg"],
        ),
        (
            {"$type": "app.bsky.embed.video", "video": BLOB},
            "original",
            ["https://video.bsky.app/watch/did%3Aplc%3Aeygmaihciaxprqvxpfvl6flk/bafkreiexample9/thumbnail.jpg"],
        ),
        (
            {"images": [{"image": {"cid": "bafkreiold", "mimeType": "image/png"}}]},
            "original",
            [f"{CDN}/bafkreiold@jpeg"],
        ),
        ({"images": [{"image": {"ref": {"$link": "../../evil"}}}]}, "original", []),
    ],
)
def test_bluesky_embeds(sample, embed, kind, urls):
    event = sample("bluesky")
    event["commit"]["record"]["embed"] = embed
    post = parsed(event)
    assert (post.kind, [link.url for link in post.media]) == (kind, urls)


def test_bluesky_times_are_not_from_the_future(sample):
    event = sample("bluesky")
    event["commit"]["record"]["createdAt"] = "2999-01-01T00:00:00Z"
    assert parsed(event).created_at == datetime(2024, 11, 19, 7, 6, 42, 123456, tzinfo=UTC)
    event["commit"]["record"]["createdAt"] = "soon"
    assert parsed(event).created_at.year == 2024
    del event["time_us"]
    with pytest.raises(PostError, match="createdAt is missing or is not a time"):
        parsed(event)


def test_bluesky_replies_and_updates(sample):
    event = sample("bluesky")
    event["commit"]["operation"] = "update"
    event["commit"]["record"]["reply"] = {"root": {"uri": "at://a"}, "parent": {"uri": "at://b"}}
    assert parsed(event).kind == "reply"


@pytest.mark.parametrize(
    "event",
    [
        {"did": "did:plc:a", "time_us": 1, "kind": "identity", "identity": {"did": "did:plc:a", "handle": "a.example"}},
        {"did": "did:plc:a", "time_us": 1, "kind": "account", "account": {"active": False, "did": "did:plc:a"}},
        {
            "did": "did:plc:a",
            "kind": "commit",
            "commit": {"operation": "delete", "collection": "app.bsky.feed.post", "rkey": "b"},
        },
        {
            "did": "did:plc:a",
            "kind": "commit",
            "commit": {"operation": "create", "collection": "app.bsky.feed.like", "rkey": "b", "record": {}},
        },
        {"event": "delete", "payload": "106692867363994015"},
        {"event": "notification", "payload": "{}"},
        {"event": "filters_changed"},
    ],
)
def test_events_that_are_not_posts(event):
    with pytest.raises(NotAPost):
        parsed(event)


def test_a_mastodon_status_in_full(samples):
    post = parse_post(samples["mastodon"])
    assert post.id == post.root_id == "https://social.example/users/helper/statuses/113500000000000001"
    assert (
        post.text == "Bridge & road gone in #Asheville.\nVolunteers meet at noon\n\nhttps://help.example/list @county"
    )
    assert (post.links, post.mentions, post.hashtags) == (1, 1, ("asheville",))
    assert [(link.url, link.alt_text) for link in post.media] == [
        ("https://files.example/original/1.jpg", "A broken bridge"),
        ("https://files.example/small/2.png", None),
    ]
    assert (post.author.followers, post.author.friends, post.author.statuses) == (86, 120, 2400)
    assert (post.favourites, post.reposts, post.url) == (11, 6, "https://social.example/@helper/113500000000000001")


@pytest.mark.parametrize("event", ["update", "status.update"])
def test_mastodon_streams_wrap_a_status_as_text_or_object(sample, event):
    status = sample("mastodon")
    expected = parsed(status)
    for frame in (
        {"stream": ["public"], "event": event, "payload": json.dumps(status)},
        {"event": event, "payload": status},
    ):
        found = parsed(frame)
        assert (found.edited is not None) == (event == "status.update")
        assert found.model_copy(update={"edited": None}) == expected
    with pytest.raises(PostError, match="payload is not valid JSON"):
        parsed({"event": event, "payload": "{"})


def test_a_mastodon_boost_carries_its_root(sample):
    root = sample("mastodon")
    boost = {**sample("mastodon"), "uri": "https://other.example/boost/1", "content": "", "reblog": root}
    boost["account"] = {"id": "1", "url": "https://other.example/@booster", "followers_count": 1}
    post, original = parsed(boost), parsed(root)
    assert (post.kind, post.root_id, post.text, post.media) == ("repost", original.id, original.text, original.media)
    assert post.author == original.author


def test_mastodon_warnings_replies_and_hidden_followers(sample):
    status = sample("mastodon")
    status |= {"spoiler_text": "Injuries", "in_reply_to_id": "1"}
    status["account"]["followers_count"] = -1
    post = parsed(status)
    assert post.text.startswith("Injuries\n\nBridge & road gone")
    assert (post.kind, post.author.followers) == ("reply", None)


@pytest.mark.parametrize("visibility", ["private", "direct"])
def test_mastodon_posts_for_few_eyes_are_skipped(sample, visibility):
    with pytest.raises(NotAPost, match="not public"):
        parsed({**sample("mastodon"), "visibility": visibility})


def test_our_own_format(samples, sample):
    post = parse_post(samples["own"])
    assert (post.network, post.root_id, post.author.key) == ("other", "sms-000017", author_key("other", "operator-7"))
    assert post.created_at == datetime(2026, 3, 1, 5, 30, tzinfo=UTC)
    assert parsed({**sample("own"), "place": {"latitude": 91, "longitude": 0, "source": "point"}}).place is None
    with pytest.raises(PostError, match="network is wrong"):
        parsed({**sample("own"), "network": "fax"})


def test_only_web_addresses_become_links(sample):
    assert parsed({**sample("own"), "url": "javascript:alert(1)"}).url is None
    assert parsed({**sample("mastodon"), "url": "javascript:alert(1)"}).url is None
    assert parsed({**sample("own"), "url": "https://a.example/1"}).url == "https://a.example/1"


def test_an_endless_id_is_refused(sample):
    with pytest.raises(PostError, match="id has 2,000 characters, which is no id"):
        parsed({**sample("own"), "id": "7" * 2_000})


@pytest.mark.parametrize("name", ["x_v2", "x_v2_retweet", "x_v1", "bluesky", "bluesky_repost", "mastodon", "own"])
def test_every_post_survives_our_own_format(samples, name):
    post = parse_post(samples[name])
    assert parse_post(post.model_dump_json().encode()) == post
    assert Post.model_validate_json(post.model_dump_json()) == post


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"not json", "The value is not valid JSON: expected"),
        (b'{"text": "\xff"', "The value is not valid JSON"),
        (b"[1]", "The value is a JSON list; one object with one post was expected."),
        (b"[]", "An empty page holds no post."),
        (b"3", "The value is a JSON number"),
        (b"null", "The value is a JSON null"),
        (b"NaN", "The value is not valid JSON"),
        (b"{}", "An object with the fields [] is in none of the known formats"),
        (b'{"b": 1, "a": 2}', "An object with the fields [a, b] is in none of the known formats"),
    ],
)
def test_what_is_not_a_post_says_why(value, reason):
    with pytest.raises(PostError) as caught:
        parse_post(value)
    assert caught.value.reason.startswith(reason)


def test_a_very_long_text_is_refused(sample):
    line = {**sample("own"), "text": "a" * MAX_TEXT}
    assert len(parsed(line).text) == MAX_TEXT
    with pytest.raises(PostError, match="The text has 5,000,000 characters; the longest accepted has 100,000"):
        parsed({**line, "text": "a" * 5_000_000})
