"""One sample of each shape that producers write beside the networks' own: each gives the post that it holds."""

import base64
import json
from datetime import UTC, datetime

import pytest

from stream_app.pipeline.posts.facts import author_key
from stream_app.pipeline.posts.parse import MAX_TOGETHER, parse_record

TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
OURS = {"network": "other", "id": "m1", "text": "Mud in the school", "created_at": "2026-06-03T10:00:00Z"}
PHOTO = "https://img.example/1.jpg"
DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
URI = f"at://{DID}/app.bsky.feed.post/3k"
BLOB = {"$type": "blob", "ref": {"$link": "bafkreia"}, "mimeType": "image/jpeg"}
NOTE = {
    "id": "https://m.example/notes/1",
    "type": "Note",
    "attributedTo": "https://m.example/users/a",
    "content": "<p>Dam broke</p>",
    "published": "2026-06-03T10:00:00Z",
    "to": ["https://www.w3.org/ns/activitystreams#Public"],
    "attachment": [{"type": "Document", "mediaType": "image/jpeg", "url": PHOTO, "name": "water"}],
    "tag": [{"type": "Hashtag", "name": "#flood"}],
}


def parse(value, **more):
    return parse_record(value if isinstance(value, bytes) else json.dumps(value).encode(), **more)


def post_of(value, **more):
    found = parse(value, **more)
    assert not found.problems, found.problems
    [post] = found.posts
    return post


@pytest.mark.parametrize(
    "envelope",
    [
        {"schema": None, "payload": OURS},
        {"schema": {"type": "string"}, "payload": json.dumps(OURS)},
        {"payload": {"before": None, "after": OURS, "op": "c"}, "schema": {}},
        {"specversion": "1.0", "id": "1", "source": "/d", "type": "t", "data": json.dumps(OURS)},
        {"specversion": "1.0", "id": "1", "source": "/d", "type": "t",
         "data_base64": base64.b64encode(json.dumps(OURS).encode()).decode()},
        [{"specversion": "1.0", "id": "1", "source": "/d", "type": "t", "data": OURS}],
        {"data": OURS},
        {"value": OURS, "offset": 3},
        {"records": [{"value": OURS}]},
        {"hits": {"total": 1, "hits": [{"_source": OURS}]}},
        {"Type": "Notification", "Message": json.dumps(OURS)},
        json.dumps(json.dumps(OURS)),
        [OURS],
        ["\ufeff" + json.dumps(OURS)],
        {"records": ["\0\0\0\0\x07" + json.dumps(OURS)]},
    ],
)  # fmt: skip
def test_envelopes_are_opened(envelope):
    assert post_of(envelope).id == "m1"


@pytest.mark.parametrize(
    "value",
    [
        b"\xef\xbb\xbf" + json.dumps(OURS).encode(),
        json.dumps(OURS).encode("utf-16"),
        b"\0\0\0\0\x07" + json.dumps(OURS).encode(),
        b"\x01" + b"g" * 16 + json.dumps(OURS).encode(),
        b"\0\0" + json.dumps(OURS).encode() + b"\0\0",
        json.dumps({**OURS, "x": float("nan"), "y": float("-inf")}).encode(),
        json.dumps(OURS).encode()[:-1] + b', "big": ' + b"9" * 6000 + b"}",
        json.dumps(OURS).replace("Mud in", "Mud\nin").encode(),
        json.dumps(OURS).encode().replace(b"school", b"school \xff"),
        json.dumps(OURS).encode().replace(b"school", b"school\\u0000"),
        json.dumps(
            {**OURS, "media": [None, {"url": 3}, "ftp://x"], "hashtags": {}, "author": {"followers": -1}}
        ).encode(),
        json.dumps({**OURS, "place": [], "language": 7, "author": "x", "kind": "scream", "reposts": "many"}).encode(),
    ],
)
def test_what_is_not_needed_costs_no_post(value):
    post = post_of(value)
    assert post.id == "m1"
    assert "\0" not in post.text
    post.model_dump_json().encode("utf-8")


@pytest.mark.parametrize(
    "written",
    [
        1780480800, 1780480800000, 1780480800000000, 1780480800000000000, "1780480800", "1780480800000", 1780480800.0,
        "Wed Jun 03 10:00:00 +0000 2026", "Wed, 03 Jun 2026 10:00:00 GMT", "Wed, 03 Jun 2026 12:00:00 +0200",
        "2026-06-03 10:00:00 UTC", "2026-06-03T10:00:00", "2026-06-03T12:00:00+02:00", "20260603T100000Z",
    ],
)  # fmt: skip
def test_times_as_they_are_written(written):
    assert post_of({**OURS, "created_at": written}).created_at == TEN


def test_a_leap_second_is_the_second_before():
    assert post_of({**OURS, "created_at": "2016-12-31T23:59:60Z"}).created_at.second == 59


@pytest.mark.parametrize("written", ["0001-01-01T00:00:00Z", "1999-12-31T00:00:00Z", "2090-01-01T00:00:00Z", 0, -5, "soon",  # noqa: E501
                                     None, [], 1e300, "9" * 30])  # fmt: skip
def test_what_cannot_be_a_time_is_the_records_own(written):
    assert post_of({**OURS, "created_at": written}, timestamp=1780480800.0).created_at == TEN
    assert "created_at is missing or is not a time" in parse({**OURS, "created_at": written}).problems[0].reason


@pytest.mark.parametrize(
    ("embed", "photos"),
    [
        ({"$type": "app.bsky.embed.images", "images": [{"image": BLOB, "alt": "a"}]}, 1),
        ({"$type": "app.bsky.embed.gallery", "media": [{"image": BLOB}, {"image": BLOB}]}, 2),
        ({"$type": "app.bsky.embed.video", "video": BLOB}, 1),
        ({"$type": "app.bsky.embed.external", "external": {"uri": "https://a.example", "thumb": BLOB}}, 1),
        ({"$type": "app.bsky.embed.record", "record": {"uri": URI}}, 0),
        *[({"$type": "app.bsky.embed.recordWithMedia", "record": {"record": {"uri": URI}}, "media": media}, number)
          for media, number in [
              ({"$type": "app.bsky.embed.images", "images": [{"image": BLOB}]}, 1),
              ({"$type": "app.bsky.embed.gallery", "items": [{"image": BLOB}, {"image": BLOB}]}, 2),
              ({"$type": "app.bsky.embed.video", "video": BLOB}, 1),
              ({"$type": "app.bsky.embed.external", "external": {"uri": "https://a.example", "thumb": BLOB}}, 1)]],
        ({"$type": "app.bsky.embed.images#view", "images": [{"fullsize": PHOTO, "thumb": PHOTO}]}, 1),
        ({"$type": "app.bsky.embed.video#view", "cid": "b", "thumbnail": PHOTO}, 1),
    ],
)  # fmt: skip
def test_bluesky_embeds(embed, photos):
    record = {"$type": "app.bsky.feed.post", "text": "Bridge gone", "createdAt": "2026-06-03T10:00:00Z", "embed": embed}
    view = {"uri": URI, "cid": "b", "author": {"did": DID}, "record": record, "likeCount": 3, "indexedAt": "2026-06-03"}
    for value in (
        {
            "did": DID,
            "commit": {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k", "record": record},
        },
        view,
        {"posts": [view]},
        {"feed": [{"post": view}], "cursor": "x"},
        {"records": [{"uri": URI, "cid": "b", "value": record}]},
    ):
        post = post_of(value)
        assert (post.id, len(post.media), post.degraded) == (URI, photos, ())
    assert post_of(view).favourites == 3


def test_a_bluesky_embed_of_unknown_media_beside_a_quote_is_degraded():
    embed = {
        "$type": "app.bsky.embed.recordWithMedia",
        "record": {"record": {}},
        "media": {"$type": "com.example.hologram", "x": 1},
    }
    flat = {"uri": URI, "text": "a", "createdAt": "2026-06-03T10:00:00Z", "embed": embed}
    assert post_of(flat).degraded == ("embed of unknown type com.example.hologram",)


def test_a_repost_in_a_bluesky_feed_carries_its_root():
    view = {"uri": URI, "author": {"did": DID}, "record": {"text": "a", "createdAt": "2026-06-02T10:00:00Z"}}
    reason = {
        "$type": "app.bsky.feed.defs#reasonRepost",
        "by": {"did": "did:plc:b"},
        "indexedAt": "2026-06-03T10:00:00Z",
    }
    post = post_of({"post": view, "reason": reason})
    assert (post.kind, post.root_id, post.text, post.created_at) == ("repost", URI, "a", TEN)
    assert post.id != URI


@pytest.mark.parametrize("act", ["Create", None, "Update", "Announce"])
def test_activitypub(act):
    value = {"@context": "https://www.w3.org/ns/activitystreams", **NOTE}
    if act:
        value = {"@context": "x", "type": act, "id": "https://m.example/act/1", "actor": "https://m.example/users/a",
                 "published": "2026-06-03T10:00:00Z", "object": NOTE}  # fmt: skip
    post = post_of(value)
    assert (post.network, post.text, post.root_id) == ("mastodon", "Dam broke", NOTE["id"])
    assert (post.media[0].url, post.media[0].alt_text, post.hashtags) == (PHOTO, "water", ("flood",))
    assert post.author.key == author_key("mastodon", "https://m.example/users/a")
    assert (post.edited is not None) == (act == "Update")
    assert (post.kind == "repost") == (act == "Announce")


def test_a_note_for_followers_is_no_post():
    assert parse({**NOTE, "to": ["https://m.example/users/a/followers"]}).notices


MASTODON = {"id": "1", "uri": "https://m.example/s/1", "created_at": "2026-06-03T10:00:00Z", "account": {"id": "7"},
            "content": "<p>Dam broke</p>", "visibility": "public"}  # fmt: skip


def test_mastodons_remote_media_quotes_and_polls():
    media = [
        {"type": "image", "url": None, "remote_url": PHOTO, "preview_url": "https://img.example/small.jpg"},
        {"type": "unknown", "url": PHOTO},
        {"type": "video", "url": "https://img.example/1.mp4", "preview_url": "https://img.example/still.jpg"},
    ]
    quote = '<p class="quote-inline">RE: <a href="https://m.example/s/0">m.example/s/0</a></p><p>Dam broke</p>'
    post = post_of({**MASTODON, "content": quote, "media_attachments": media})
    assert (post.text, post.kind, post.links) == ("Dam broke", "quote", 0)
    assert [link.url for link in post.media] == [PHOTO, PHOTO, "https://img.example/still.jpg"]
    assert post_of({**MASTODON, "poll": {"options": [{"title": "boats"}, {"title": "food"}]}}).text.endswith(
        "- boats\n- food"
    )


def test_an_edit_has_a_token_of_its_own_that_only_its_text_and_photos_change():
    first = post_of(MASTODON)
    edited = post_of({**MASTODON, "edited_at": "2026-06-03T10:10:00Z", "content": "<p>False alarm</p>"})
    counted = post_of({**MASTODON, "edited_at": "2026-06-03T10:20:00Z", "content": "<p>False alarm</p>",
                       "favourites_count": 3})  # fmt: skip
    assert first.edited is None
    assert edited.edited == counted.edited is not None


def test_an_edit_on_x_names_the_version_before():
    ids = ["1460323737035677698", "1460323737035677699"]
    tweets = [{"id": each, "text": "a", "edit_history_tweet_ids": ids} for each in ids]
    first, second = parse({"data": tweets, "meta": {}}).posts
    assert (first.edited, first.edit_of) == (None, None)
    assert (second.edited, second.edit_of) == (ids[1], ids[0])


SCRAPED = {
    "_type": "snscrape.modules.twitter.Tweet", "id": 1460323737035677698, "date": "2026-06-03T10:00:00+00:00",
    "rawContent": "Bridge gone", "lang": "en", "user": {"id": 7, "followersCount": 12}, "likeCount": 2,
    "media": [{"_type": "snscrape.modules.twitter.Photo", "previewUrl": PHOTO, "fullUrl": PHOTO}],
}  # fmt: skip
GNIP = {
    "id": "tag:search.twitter.com,2005:1460323737035677698", "objectType": "activity", "verb": "post",
    "postedTime": "2026-06-03T10:00:00.000Z", "body": "Bridge gone", "twitter_lang": "en", "favoritesCount": 2,
    "actor": {"id": "id:twitter.com:7", "followersCount": 12},
    "twitter_extended_entities": {"media": [{"media_url_https": PHOTO}]},
    "location": {"displayName": "Gorkha", "twitter_country_code": "NP"},
}  # fmt: skip
CONNECT = {
    "CreatedAt": 1780480800000, "Id": 1460323737035677698, "Text": "Bridge gone", "Lang": "en", "FavoriteCount": 2,
    "User": {"Id": 7, "FollowersCount": 12}, "MediaEntities": [{"Type": "photo", "MediaURLHttps": PHOTO}],
    "InReplyToStatusId": -1,
}  # fmt: skip
FLAT = {
    "id": "1460323737035677698", "text": "Bridge gone", "created_at": "2026-06-03T10:00:00.000Z", "author_id": "7",
    "lang": "en", "author": {"id": "7", "public_metrics": {"followers_count": 12}}, "public_metrics": {"like_count": 2},
    "attachments": {"media": [{"media_key": "3_1", "type": "photo", "url": PHOTO}], "media_keys": ["3_1"]},
}  # fmt: skip
ARCHIVE = {
    "id_str": "1460323737035677698", "id": "1460323737035677698", "full_text": "Bridge gone", "lang": "en",
    "created_at": "Wed Jun 03 10:00:00 +0000 2026", "favorite_count": "2", "user": {"id": "7", "followers_count": "12"},
    "extended_entities": {"media": [{"media_url_https": PHOTO}]},
}  # fmt: skip
X = {"snscrape": SCRAPED, "gnip": GNIP, "connect": CONNECT, "twarc2": FLAT, "archive": {"tweet": ARCHIVE}}


@pytest.mark.parametrize("form", X)
def test_forms_of_x(form):
    post = post_of(X[form])
    assert (post.network, post.id, post.text, post.kind) == ("x", "1460323737035677698", "Bridge gone", "original")
    assert (post.created_at, post.favourites, post.author.followers, post.language) == (TEN, 2, 12, "en")
    assert [link.url for link in post.media] == [PHOTO]
    assert post.author.key == author_key("x", "7")


@pytest.mark.parametrize(
    "retweet",
    [
        {**SCRAPED, "id": 9, "rawContent": "RT @a: Br…", "media": None, "retweetedTweet": SCRAPED},
        {**GNIP, "id": "tag:search.twitter.com,2005:9", "verb": "share", "body": "RT @a: Br…", "object": GNIP},
        {**FLAT, "id": "9", "text": "RT @a: Br…", "referenced_tweets": [{**FLAT, "type": "retweeted"}]},
        {**FLAT, "id": "9", "text": "RT @a: Br…", "referenced_tweets": {"retweeted": {"id": FLAT["id"]}}},
    ],
)
def test_retweets_in_the_forms_of_x(retweet):
    post = post_of(retweet)
    assert (post.id, post.kind, post.root_id) == ("9", "repost", "1460323737035677698")
    assert not post.text.startswith("RT @")


@pytest.mark.parametrize("head", [b"window.YTD.tweets.part0 = ", b"window.YTD.tweet.part12=\n", b"var a = "])
def test_an_archive_is_javascript(head):
    found = parse(head + json.dumps([{"tweet": ARCHIVE}, {"tweet": {"id": "1"}}]).encode())
    assert [post.text for post in found.posts] == ["Bridge gone"]
    assert json.loads(found.problems[0].part) == {"value": {"id": "1"}} or len(found.problems) == 1


X_ID = {"network": "x", "id": "601430178305220608"}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"delete": {"status": {"id_str": X_ID["id"], "user_id_str": "3"}, "timestamp_ms": "1780480800000"}}, X_ID),
        ({"scrub_geo": {"user_id_str": "3", "up_to_status_id_str": "4"}}, {"author_key": author_key("x", "3"), "place_only": True}),  # noqa: E501
        ({"status_withheld": {"id": 601430178305220608, "withheld_in_countries": ["DE", "AR"]}}, {**X_ID, "reason": "withheld in DE, AR"}),  # noqa: E501
        ({"user_withheld": {"id": 3, "withheld_in_countries": ["DE"]}}, {"author_key": author_key("x", "3")}),
        ({"data": {"delete": {"tweet": {"id": X_ID["id"], "author_id": "3"}, "event_at": "2026-06-03T10:00:00Z"}}}, {**X_ID, "at": TEN}),  # noqa: E501
        ({"data": {"withheld": {"tweet": {"id": X_ID["id"]}, "withheld_in_countries": ["XY"]}}}, X_ID),
        ({"data": {"drop": {"tweet": {"id": X_ID["id"]}, "event_at": "2026-06-03T10:00:00Z"}}}, X_ID),
        ({"data": {"user_suspend": {"user": {"id": "3"}, "event_at": "2026-06-03T10:00:00Z"}}}, {"author_key": author_key("x", "3")}),  # noqa: E501
        ({"data": {"user_delete": {"user": {"id": "3"}}}}, {"author_key": author_key("x", "3"), "reason": "author gone"}),  # noqa: E501
        ({"id": X_ID["id"], "action": "delete", "created_at": "2026-06-03T10:00:00Z", "reason": "deleted"}, X_ID),
        ({"id": "tag:x,2005:5", "verb": "delete", "object": {"id": f"tag:search.twitter.com,2005:{X_ID['id']}"}}, X_ID),
        ({"StatusId": 601430178305220608, "UserId": 3}, X_ID),
        ({"tweet": {"id_str": X_ID["id"], "full_text": "a", "deleted_at": "Wed Jun 03 10:00:00 +0000 2026"}}, X_ID),
        ({"event": "delete", "payload": "106"}, {"network": "mastodon", "id": "106"}),
        ({"type": "Delete", "actor": "https://m.example/u", "object": {"type": "Tombstone", "id": "https://m.example/n"}}, {"network": "mastodon", "id": "https://m.example/n"}),  # noqa: E501
        ({"type": "Delete", "actor": "https://m.example/u", "object": "https://m.example/u"}, {"author_key": author_key("mastodon", "https://m.example/u")}),  # noqa: E501
        ({"did": DID, "commit": {"operation": "delete", "collection": "app.bsky.feed.post", "rkey": "3k"}}, {"network": "bluesky", "id": URI}),  # noqa: E501
        ({"did": DID, "kind": "account", "account": {"active": False, "did": DID, "status": "deleted"}}, {"author_key": author_key("bluesky", DID), "reason": "author deleted"}),  # noqa: E501
        ({"network": "other", "id": "sms-17", "deleted": True}, {"network": "other", "id": "sms-17"}),
    ],
)  # fmt: skip
def test_withdrawals(value, expected):
    found = parse(value)
    assert not found.posts
    assert not found.problems
    [withdrawal] = found.withdrawals
    assert {name: getattr(withdrawal, name) for name in expected} == expected
    assert (withdrawal.id is None) != (withdrawal.author_key is None)


def test_a_batch_line_about_a_lost_author_is_taken_for_both():
    found = parse({"id": "3", "action": "delete", "reason": "suspended", "redacted_at": "2026-06-03T10:00:00Z"})
    assert [each.id for each in found.withdrawals] == ["3", None]


@pytest.mark.parametrize(
    ("key", "network", "post_id"),
    [(b"other/sms-1", "other", "sms-1"), (URI.encode(), "bluesky", URI), (b"601430178305220608", "x", "601430178305220608"),  # noqa: E501
     (b"https://m.example/s/1", "mastodon", "https://m.example/s/1"), (b"sms-1", "other", "sms-1")],
)  # fmt: skip
def test_a_tombstone_takes_back_what_its_key_names(key, network, post_id):
    [withdrawal] = parse_record(None, key=key).withdrawals
    assert (withdrawal.network, withdrawal.id) == (network, post_id)
    assert parse_record(None).notices


@pytest.mark.parametrize(
    "notice",
    [{"data": {"undrop": {"tweet": {"id": "1"}}}}, {"data": {"user_unsuspend": {"user": {"id": "1"}}}}, {"limit": {"track": 3}},  # noqa: E501
     {"data": [], "meta": {"result_count": 0}}, {"posts": [], "cursor": "x"}, {"info": {"message": "Replay Request Completed"}},  # noqa: E501
     {"errors": [{"title": "x"}]}, {"schema": None, "payload": None}],
)  # fmt: skip
def test_notices(notice):
    assert parse(notice).notices
    assert not parse(notice).problems


@pytest.mark.parametrize(
    "value",
    [{"event": "message", "payload": {"text": "help"}}, {"text": "help"}, {"content": "help", "when": 3},
     {"limit": {}, "text": "help"}, {"did": DID, "text": "help"}, {"body": "help"},
     {"did": DID, "commit": {"operation": "create", "collection": "com.example.post", "rkey": "1", "record": {"text": "help"}}}],  # noqa: E501
)  # fmt: skip
def test_what_may_be_a_post_is_never_a_notice(value):
    found = parse(value)
    assert not found.notices
    assert len(found.problems) == 1


def test_a_page_grows_with_its_posts_and_not_with_their_square():
    tweets = [{"id": str(i), "text": 5, "author_id": str(i)} for i in range(300)]
    page = {"data": tweets, "includes": {"users": [{"id": str(i), "name": "n" * 100} for i in range(300)]}}
    found = parse(page)
    assert len(found.problems) == 300
    assert sum(len(each.part) for each in found.problems) < 3 * len(json.dumps(page))


def test_an_avro_frame_names_its_schema():
    [problem] = parse(b"\0\0\0\0\x2a\x06abc").problems
    assert "schema id 42" in problem.reason


@pytest.mark.parametrize("kind", ["text", "time"])
def test_a_page_that_names_one_long_post_without_end_is_one_dead_letter(kind):
    """1 MB that would become 500 MB of events, or of dead letters: no transaction would hold that."""
    root = {"id": "1", "text": "x" * 90_000, "author_id": "9", "created_at": TEN.isoformat()}
    repost = {"text": "RT", "author_id": "9", "created_at": TEN.isoformat(), "conversation_id": "1"}
    repost["referenced_tweets"] = [{"type": "retweeted", "id": "1"}]
    if kind == "time":
        repost["created_at"] = root["created_at"] = "never"
    page = {"data": [{"id": str(n), **repost} for n in range(2, 3000)], "includes": {"tweets": [root]}}
    found = parse(page)
    assert not found.posts
    [problem] = found.problems
    assert problem.part is None
    assert f"{MAX_TOGETHER:,} characters" in problem.reason
    page["data"] = page["data"][:20]
    assert len(parse(page).posts or parse(page).problems) == 20
