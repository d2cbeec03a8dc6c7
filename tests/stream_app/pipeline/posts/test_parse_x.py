"""X's two formats: what each field becomes, what is optional, what a stream's notices are."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from stream_app.pipeline.posts.facts import author_key
from stream_app.pipeline.posts.parse import NotAPost, PostError, parse_post, parse_record


def parsed(value):
    return parse_post(json.dumps(value).encode())


def test_a_v2_line_in_full(samples):
    post = parse_post(samples["x_v2"])
    assert (post.network, post.id, post.root_id, post.kind) == (
        "x",
        "1460323737035677698",
        "1460323737035677698",
        "original",
    )
    assert post.url == "https://x.com/i/web/status/1460323737035677698"
    assert post.text.startswith("The river is over the bridge at Kelaniya & rising")
    assert post.text.endswith("https://t.co/cccccccccc"), "the note's text, not the shortened one"
    assert post.created_at == datetime(2021, 11, 15, 19, 8, 5, tzinfo=UTC)
    assert (post.language, post.links, post.mentions, post.hashtags) == ("en", 1, 1, ("SriLankaFloods", "flood"))
    assert (post.favourites, post.reposts) == (121, 52)
    assert [(link.url, link.alt_text) for link in post.media] == [
        ("https://pbs.example/photo-1.jpg", "Brown water over a road"),
        ("https://pbs.example/video-2.jpg", None),
    ], "in the order of media_keys, a video by its preview image"
    assert post.author.model_dump() == {
        "key": author_key("x", "2244994945"),
        "followers": 513,
        "friends": 201,
        "statuses": 3961,
        "verified": False,
        "created_at": datetime(2013, 12, 14, 4, 35, 55, tzinfo=UTC),
        "kind": None,
    }
    assert "2244994945" not in post.model_dump_json(), "raw author ids never travel on"
    assert post.place.source == "place"
    assert post.place.name == "Kelaniya, Sri Lanka"
    assert (post.place.latitude, post.place.longitude) == pytest.approx((6.96, 79.92))


def test_a_v2_point_is_longitude_first_and_wins_over_the_place(sample):
    line = sample("x_v2")
    line["data"]["geo"]["coordinates"] = {"type": "Point", "coordinates": [79.91, 6.95]}
    place = parsed(line).place
    assert (place.source, place.latitude, place.longitude, place.country_code) == ("point", 6.95, 79.91, "LK")


def test_a_centroid_is_preferred_to_the_box(sample):
    line = sample("x_v2")
    line["includes"]["places"][0]["centroid"] = [79.9, 6.94]
    place = parsed(line).place
    assert (place.latitude, place.longitude) == (6.94, 79.9)


def test_a_box_across_the_antimeridian_has_its_middle_there(sample):
    line = sample("x_v2")
    line["includes"]["places"][0]["geo"]["bbox"] = [177.0, -19.0, -178.0, -16.0]
    place = parsed(line).place
    assert (place.latitude, place.longitude) == (-17.5, 179.5)


def test_a_v2_retweet_carries_its_root(samples):
    post = parse_post(samples["x_v2_retweet"])
    assert (post.id, post.root_id, post.kind) == ("1460400000000000001", "1460323737035677698", "repost")
    assert post.text.startswith("The river is over the bridge at Kelaniya and rising, families wait on roofs for boats")
    assert [link.url for link in post.media] == ["https://pbs.example/photo-1.jpg"]
    assert (post.author.followers, post.hashtags, post.favourites) == (513, ("flood",), 121)
    assert post.created_at == datetime(2021, 11, 16, 0, 11, 7, tzinfo=UTC), "the time of the retweet itself"


def test_a_v2_retweet_without_its_root_keeps_what_it_has(sample):
    line = sample("x_v2_retweet")
    del line["includes"]["tweets"]
    post = parsed(line)
    assert (post.kind, post.root_id) == ("repost", "1460323737035677698")
    assert post.text == "The river is over the bridge at Kelaniya and rising, families wait on roofs…"


@pytest.mark.parametrize(
    ("types", "kind"),
    [
        (["quoted"], "quote"),
        (["replied_to"], "reply"),
        (["replied_to", "quoted"], "quote"),
        (["quoted", "retweeted"], "repost"),
        ([], "original"),
    ],
)
def test_v2_kinds(sample, types, kind):
    line = sample("x_v2")
    line["data"]["referenced_tweets"] = [{"type": name, "id": "1"} for name in types]
    post = parsed(line)
    assert post.kind == kind
    assert post.root_id == ("1" if kind == "repost" else post.id)


def test_the_default_v2_fields_alone_are_a_post_timed_by_its_id():
    post = parsed({"data": {"id": "1460323737035677698", "text": "Fire"}})
    assert post.created_at.replace(microsecond=0) == datetime(2021, 11, 15, 19, 8, 5, tzinfo=UTC)
    assert (post.language, post.author.key, post.media, post.place) == (None, None, (), None)


def test_a_v1_status_in_full(samples):
    post = parse_post(samples["x_v1"])
    assert (post.id, post.root_id, post.kind) == ("868011224520237057", "868011224520237057", "original")
    assert "is cut <2 km> #landslide" in post.text
    assert post.created_at == datetime(2017, 5, 26, 8, 15, 42, tzinfo=UTC)
    assert [(link.url, link.alt_text) for link in post.media] == [
        ("https://pbs.example/v1-1.jpg", "People digging in mud"),
        ("https://pbs.example/v1-2.jpg", None),
    ]
    assert (post.place.source, post.place.latitude, post.place.longitude) == ("point", 6.68, 80.4)
    assert post.author.key == author_key("x", "4503599627370497")
    assert post.author.created_at == datetime(2009, 3, 21, 20, 50, 14, tzinfo=UTC)
    assert (post.author.followers, post.author.friends, post.author.statuses, post.author.verified) == (
        120,
        310,
        9021,
        True,
    )
    assert (post.hashtags, post.links, post.favourites, post.reposts) == (("landslide",), 0, 3, 7)


def test_v1_geo_is_latitude_first_and_a_place_has_a_box(sample):
    status = sample("x_v1")
    del status["coordinates"]
    place = parsed(status).place
    assert (place.source, place.latitude, place.longitude) == ("point", 6.68, 80.4)
    del status["geo"]
    place = parsed(status).place
    assert place.source == "place"
    assert (place.latitude, place.longitude) == pytest.approx((6.65, 80.4))


@pytest.mark.parametrize("field", ["full_text", "text"])
def test_v1_texts_without_an_extended_tweet(sample, field):
    status = sample("x_v1")
    del status["extended_tweet"], status["text"]
    status[field] = "Fire in the market"
    assert parsed(status).text == "Fire in the market"


def test_v1_retweets_quotes_and_replies(sample):
    status = sample("x_v1")
    wrapper = {
        **sample("x_v1"),
        "id_str": "9",
        "text": "RT @another_person: Landslide…",
        "retweeted_status": status,
        "lang": "fr",
    }
    post = parsed(wrapper)
    assert (post.id, post.root_id, post.kind, post.language) == ("9", "868011224520237057", "repost", "en")
    assert post.text == parsed(status).text
    assert parsed({**status, "quoted_status": {"id_str": "5", "text": "x"}}).kind == "quote"
    assert parsed({**status, "in_reply_to_status_id_str": "5"}).kind == "reply"


@pytest.mark.parametrize(
    "text", ["Fri May 26 08:15:42 +0000 2017", "Fri May 26 13:45:42 +0530 2017", "2017-05-26T08:15:42Z"]
)
def test_v1_times(sample, text):
    assert parsed({**sample("x_v1"), "created_at": text}).created_at == datetime(2017, 5, 26, 8, 15, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    "line",
    [
        b"\r\n",
        b"",
        b'{"delete":{"status":{"id":1234,"id_str":"1234","user_id":3,"user_id_str":"3"}}}',
        b'{"limit":{"track":1234}}',
        b'{"scrub_geo":{"user_id":1,"up_to_status_id":2}}',
        b'{"status_withheld":{"id":1,"user_id":2,"withheld_in_countries":["DE"]}}',
        b'{"user_withheld":{"id":1,"withheld_in_countries":["DE"]}}',
        b'{"disconnect":{"code":4,"stream_name":"","reason":""}}',
        b'{"warning":{"code":"FALLING_BEHIND","message":"","percent_full":60}}',
        b'{"errors":[{"title":"operational-disconnect","type":"about:blank"}]}',
    ],
)
def test_notices_are_not_posts(line):
    with pytest.raises(NotAPost):
        parse_post(line)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"id": None}, "X API v2 line: data.id is missing or is not a string."),
        ({"id": True}, "X API v2 line: data.id is missing or is not a string."),
        ({"id": ""}, "X API v2 line: data.id is missing or is not a string."),
        ({"text": 5, "note_tweet": None}, "X API v2 line: data.text is missing or is not a string."),
        ({"id": "17", "created_at": "yesterday"}, "X API v2 line: data.created_at is missing or is not a time."),
    ],
)
def test_what_a_v2_post_cannot_do_without_is_named(sample, change, reason):
    line = sample("x_v2")
    line["data"] |= change
    with pytest.raises(PostError) as caught:
        parsed(line)
    assert caught.value.reason == reason
    assert not isinstance(caught.value, NotAPost)


def test_malformed_optional_facts_do_not_cost_the_post(sample):
    line = sample("x_v2")
    line["data"] |= {
        "public_metrics": {"like_count": -3, "retweet_count": "many"},
        "attachments": {"media_keys": [None, {}, "3_1"]},
        "geo": {"coordinates": {"coordinates": [1e99, "x"]}, "place_id": []},
        "lang": ["en"],
        "referenced_tweets": {"type": "quoted"},
        "author_id": [7],
    }
    line["includes"]["media"].append("junk")
    line["includes"]["media"].append({"media_key": "3_1", "url": "javascript:alert(1)"})
    line["includes"]["users"] = {"id": "2244994945"}
    post = parsed(line)
    assert (post.favourites, post.reposts, post.media, post.place, post.language) == (None, None, (), None, None)
    assert post.author.key is None


def test_a_page_holds_each_post_with_what_it_refers_to():
    page = {
        "data": [{"id": "1460323737035677698", "text": "one"}, {"id": "1460323737035677699", "text": "two"}, 3],
        "includes": {"users": [{"id": "7"}]},
    }
    found = parse_record(json.dumps(page).encode())
    assert [post.text for post in found.posts] == ["one", "two"]
    assert json.loads(found.problems[0].part) == {"data": 3}
