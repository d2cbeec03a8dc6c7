# ruff: noqa: E501 - a case is a line
"""The kinds of ../shared/cases/feeds.jsonl in other dress, out of the formats' own documentation: our own invented posts."""

import base64
import gzip
import io
import json
import zlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.feed.archive import items
from stream_app.pipeline.posts.html_text import HtmlText
from stream_app.pipeline.posts.parse import Parsed, parse_record
from stream_app.pipeline.posts.times import moment

T, NOW = "2026-06-03T10:00:00Z", 1_780_480_800.0
TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
OWN = {"network": "other", "id": "c1", "text": "Road closed", "created_at": T}
TWEET = {"id": "1460323737035677698", "text": "Water over the bridge", "created_at": "2021-11-15T19:08:05.000Z"}
V1 = {"id_str": "1460323737035677698", "full_text": "Water over", "created_at": "Mon Nov 15 19:08:05 +0000 2021"}
DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa"
URI = f"at://{DID}/app.bsky.feed.post/3k"
RECORD = {"$type": "app.bsky.feed.post", "text": "Bridge gone", "createdAt": T}
VIEW = {"uri": URI, "author": {"did": DID}, "record": RECORD, "indexedAt": T}
STATUS = {"id": "113", "uri": "https://m.example/s/113", "created_at": T, "content": "<p>The dam broke</p>",
          "account": {"id": "7"}, "visibility": "public"}  # fmt: skip
NOTE = {"id": "https://m.example/1", "type": "Note", "attributedTo": "https://m.example/a", "content": "<p>Dam</p>",
        "published": T}  # fmt: skip


def b64(value):
    return base64.b64encode(json.dumps(value).encode()).decode()


def commit(embed):
    record = RECORD | {"embed": embed}
    about = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "3k", "record": record}
    return {"did": DID, "time_us": 1780480800000000, "kind": "commit", "commit": about}


def image(ref):
    return {"$type": "app.bsky.embed.images", "images": [{"image": {"$type": "blob", "ref": ref}}]}


def op(action, **more):
    return {"repo": DID, "time": T, "ops": [{"action": action, "path": "app.bsky.feed.post/3k", **more}]}


def photos(number):
    return lambda post: len(post.media) == number


POSTS = {
    "X page with partial errors": ({"data": [TWEET], "errors": [{"title": "Not Found"}]}, {"text": TWEET["text"]}),
    "X post without its includes": ({"data": {"id": TWEET["id"], "text": "Water"}}, {"network": "x"}),
    "X long text": ({"data": TWEET | {"note_tweet": {"text": "the whole"}}}, {"text": "the whole"}),
    "twarc2 flattened, nothing but itself": (TWEET, {"network": "x", "kind": "original"}),
    "X web client": (
        {"data": {"tweetResult": {"result": {"rest_id": "146", "legacy": V1 | {"id_str": "146"}}}}},
        {"id": "146", "text": "Water over"},
    ),
    "X archive, retweet": (b"window.YTD.tweets.part0 = " + json.dumps([{"tweet": V1 | {"full_text": "RT @b: Water"}}]).encode(),
                           {"kind": "repost", "text": "Water"}),
    "X archive, long text": ({"noteTweet": {"noteTweetId": "16", "createdAt": T, "core": {"text": "long"}}}, {"text": "long"}),
    "snscrape of Mastodon": (
        {"_type": "snscrape.modules.mastodon.Toot", "url": "https://m/1", "date": T, "content": "<p>Flood</p>"},
        {"network": "mastodon", "text": "Flood"},
    ),
    "snscrape of Telegram": (
        {"_type": "snscrape.modules.telegram.TelegramPost", "url": "https://t.me/s/a/1", "date": T, "content": "Flood"},
        {"network": "other", "id": "https://t.me/s/a/1", "created_at": TEN},
    ),
    "Mongo's extended JSON": (
        {"id": {"$numberLong": TWEET["id"]}, "text": "Water", "created_at": {"$date": T}, "user": {}},
        {"id": TWEET["id"], "created_at": TEN},
    ),
    "firehose commit": (op("create", record=RECORD), {"id": URI, "text": "Bridge gone"}),
    "firehose operation": ({"repo": DID, "action": "create", "path": "app.bsky.feed.post/3k", "record": RECORD}, {"id": URI}),
    "Tap": (
        {"id": 1, "type": "record", "record": {"did": DID, "collection": "app.bsky.feed.post", "rkey": "3k",
                                               "action": "create", "record": RECORD}},
        {"id": URI, "text": "Bridge gone"},
    ),
    "Bluesky thread, second version": ({"thread": [{"uri": URI, "value": {"post": VIEW}}]}, {"id": URI}),
    "flat record by at_uri": ({"at_uri": URI, "author_did": DID, "text": "River", "createdAt": T}, {"network": "bluesky"}),
    "blob as CBOR's JSON has it": (commit(image({"/": "bafa"})), photos(1)),
    "gallery with a video": (
        commit({"$type": "app.bsky.embed.gallery", "media": [{"image": {"ref": {"$link": "b1"}}}, {"video": {"ref": {"$link": "b2"}}}]}),
        photos(2),
    ),
    "record with an unknown medium": (
        commit({"$type": "app.bsky.embed.recordWithMedia", "record": {"record": {"uri": "at://x/y/1"}}, "media": {"$type": "app.bsky.embed.audio"}}),
        {"kind": "quote", "degraded": ("embed of unknown type app.bsky.embed.audio",)},
    ),
    "starter pack": (commit({"$type": "app.bsky.embed.record", "record": {"uri": "at://x/app.bsky.graph.starterpack/1"}}), {"degraded": ()}),
    "Mastodon notification": ({"event": "notification", "payload": json.dumps({"type": "mention", "status": STATUS})}, {"id": STATUS["uri"]}),
    "Mastodon by event stream": (b"event: update\ndata: " + json.dumps(STATUS).encode(), {"text": "The dam broke"}),
    "Mastodon boost": (STATUS | {"uri": "https://m.example/2", "content": "", "reblog": STATUS}, {"kind": "repost", "text": "The dam broke"}),
    "Misskey": ({"id": "9", "createdAt": T, "userId": "u", "user": {"id": "u"}, "text": "Flood", "visibility": "public", "files": []},
                {"network": "mastodon", "text": "Flood"}),
    "note with several types": (NOTE | {"type": ["Note"]}, {"text": "Dam"}),
    "note by several": (NOTE | {"attributedTo": ["https://m.example/a", {"id": "b"}]}, {"text": "Dam"}),
    "note in a language of two": (NOTE | {"contentMap": {"en": "<p>Dam</p>", "pt": "<p>Barragem</p>"}}, {"language": "en"}),
    "note by its source": ({k: v for k, v in NOTE.items() if k != "content"} | {"source": {"content": "Dam *broke*"}}, {"text": "Dam *broke*"}),
    "question": (NOTE | {"type": "Question", "anyOf": [{"name": "Yes"}, {"name": "No"}]}, {"text": "Dam\n\n- Yes\n- No"}),
    "Debezium, created": ({"before": None, "after": OWN, "op": "c"}, {"id": "c1", "edited": None}),
    "CloudEvents 0.3": ({"specversion": "0.3", "type": "t", "datacontentencoding": "base64", "data": b64(OWN)}, {"id": "c1"}),
    "CloudEvent, base64": ({"specversion": "1.0", "type": "t", "data_base64": b64(OWN)}, {"id": "c1"}),
    "Pub/Sub": ({"message": {"data": b64(OWN), "messageId": "1"}}, {"id": "c1"}),
    "Kinesis": ({"Records": [{"kinesis": {"data": b64(OWN)}}]}, {"id": "c1"}),
    "JSON string within a JSON string": (json.dumps(json.dumps(json.dumps(OWN))).encode(), {"id": "c1"}),
    "a string of JSON in an envelope's string": ({"value": json.dumps(json.dumps(OWN))}, {"id": "c1"}),
    "a byte order mark in an envelope's string": ({"value": "\ufeff" + json.dumps(OWN)}, {"id": "c1"}),
    "a frame in an envelope's string": ({"payload": "\0\0\0\0*" + json.dumps(OWN)}, {"id": "c1"}),
    "Glue's frame": (b"\x03\x00" + b"u" * 16 + json.dumps(OWN).encode(), {"id": "c1"}),
    "gzip": (gzip.compress(json.dumps(OWN).encode()), {"id": "c1"}),
    "UTF-16 without a mark": (json.dumps(OWN).encode("utf-16-le"), {"id": "c1"}),
    "UTF-16, other end first": (json.dumps(OWN).encode("utf-16-be"), {"id": "c1"}),
    "UTF-32": (json.dumps(OWN).encode("utf-32"), {"id": "c1"}),
    "JSON text sequence": (b"\x1e" + json.dumps(OWN).encode(), {"id": "c1"}),
    "data set's names": ({"tweet_id": TWEET["id"], "tweet_text": "Water"}, {"network": "x", "text": "Water"}),
    "float id of a table with gaps": (OWN | {"id": 17.0}, {"id": "17"}),
    "X page with ids as numbers": (
        {"data": [TWEET | {"author_id": 22}], "includes": {"users": [{"id": 22, "public_metrics": {"followers_count": 5}}]}},
        lambda post: post.author.followers == 5,
    ),
    "X poll": ({"data": TWEET | {"attachments": {"poll_ids": ["1"]}},
                "includes": {"polls": [{"id": "1", "options": [{"label": "Boats"}, {"label": "None"}]}]}},
               {"text": "Water over the bridge\n\n- Boats\n- None"}),
    "X archive, edited": (
        {"tweet": V1 | {"edit_info": {"edit": {"editControlInitial": {"editTweetIds": ["1", V1["id_str"]]}}}}},
        {"edited": V1["id_str"], "edit_of": "1"},
    ),
    "X v1.1 by its milliseconds": ({"id": 5, "text": "Water", "user": {}, "timestamp_ms": "1780480800000"}, {"created_at": TEN}),
    "X photos without a word": ({"id": 5, "text": None, "user": {}, "entities": {"media": [{"media_url_https": "https://a/1.jpg"}]}}, photos(1)),
    "X web client, retweet and edit": (
        {"rest_id": "146", "edit_control": {"edit_tweet_ids": ["140", "146"]},
         "legacy": V1 | {"id_str": "146", "retweeted_status_result": {"result": {"tweet": {"rest_id": "9", "legacy": V1 | {"id_str": "9"}}}}}},
        {"root_id": "9", "edited": "146"},
    ),
    "Kafka Connect's names with underscores": (
        {"id": 20, "text": "Road", "created_at": 1780480800000, "media_entities": [{"media_url_https": "https://a/1.jpg"}], "possibly_sensitive": True},
        lambda post: len(post.media) == 1 and post.sensitive,
    ),
    "snscrape of Reddit": (
        {"_type": "snscrape.modules.reddit.Submission", "id": "t3", "date": T, "title": "Flood", "selftext": "Bridge gone"},
        {"network": "other", "text": "Flood\n\nBridge gone"},
    ),
    "snscrape of Weibo": ({"_type": "snscrape.modules.weibo.Post", "id": "44", "text": "Flood", "createdAt": T}, {"network": "other"}),
    "view whose record lacks the card's picture": (
        VIEW | {"record": RECORD | {"embed": {"$type": "app.bsky.embed.external", "external": {"uri": "https://a"}}},
                "embed": {"$type": "app.bsky.embed.external#view", "external": {"thumb": "https://t/1"}}},
        photos(1),
    ),
    "view with a moderator's label": (VIEW | {"labels": [{"val": "graphic-media"}]}, {"sensitive": True}),
    "quotes of a post": ({"uri": f"{URI}q", "cid": "c", "posts": [VIEW]}, {"id": URI}),
    "bookmark": ({"bookmarks": [{"createdAt": T, "item": VIEW}]}, {"id": URI}),
    "flat repost": ({"uri": f"at://{DID}/app.bsky.feed.repost/1", "did": DID, "subject": URI, "created_at": T}, {"kind": "repost", "root_id": URI}),
    "flat record with addresses": ({"uri": URI, "did": DID, "text": "River", "timestamp": T, "images": ["https://a/1.jpg"]}, photos(1)),
    "languages as Python prints them": ({"uri": URI, "did": DID, "text": "River", "created_at": T, "langs": "['pt', 'en']"}, {"language": "pt"}),
    "photo without a word": (op("create", record={k: v for k, v in RECORD.items() if k != "text"} | {"embed": image({"$link": "b1"})}), photos(1)),
    "Mastodon photo without a word": (STATUS | {"content": None, "media_attachments": [{"type": "image", "url": "https://a/1.jpg"}]}, photos(1)),
    "Mastodon notification, REST": ({"id": "1", "type": "mention", "account": {"id": "7"}, "status": STATUS}, {"id": STATUS["uri"]}),
    "event stream with its id first": (b"id: 5\nevent: update\ndata: " + json.dumps(STATUS).encode(), {"text": "The dam broke"}),
    "event stream after a comment": (b":thump\nevent: update\ndata: " + json.dumps(STATUS).encode(), {"text": "The dam broke"}),
    "review": ({"type": "Create", "actor": "https://m.example/a", "object": NOTE | {"type": "Review"}}, {"text": "Dam"}),
    "note in a list": ({"type": "Create", "actor": "https://m.example/a", "object": [NOTE]}, {"text": "Dam"}),
    "note passed on by a group": (
        {"type": "Announce", "id": "https://g/1", "actor": "https://g", "object": {"type": "Create", "actor": "a", "object": NOTE}, "published": T},
        {"kind": "repost", "root_id": NOTE["id"], "text": "Dam"},
    ),
    "type with its vocabulary": (NOTE | {"type": "https://www.w3.org/ns/activitystreams#Note"}, {"network": "mastodon", "text": "Dam"}),
    "quote by a tag": (NOTE | {"tag": [{"type": "Link", "rel": "https://misskey-hub.net/ns#_misskey_quote", "href": "x"}]}, {"kind": "quote"}),
    "outbox": ({"@context": "x", "type": "OrderedCollection", "first": {"orderedItems": [{"type": "Create", "actor": "a", "object": NOTE}]}}, {"text": "Dam"}),
    "Connect, list": ({"schema": {}, "payload": [OWN]}, {"id": "c1"}),
    "CloudEvent, gzip in base64": ({"specversion": "1.0", "data_base64": base64.b64encode(gzip.compress(json.dumps(OWN).encode())).decode()}, {"id": "c1"}),
    "CloudEvent's time": ({"specversion": "1.0", "time": T, "data": {"network": "other", "id": "c1", "text": "x"}}, {"created_at": TEN}),
    "Apicurio's frame": (b"\0" * 8 + b"*" + json.dumps(OWN).encode(), {"id": "c1"}),
    "Azure's frame": (b"\0" * 4 + b"a" * 32 + json.dumps(OWN).encode(), {"id": "c1"}),
    "Glue's frame, packed": (b"\x03\x05" + b"u" * 16 + zlib.compress(json.dumps(OWN).encode()), {"id": "c1"}),
    "row of a table by JDBC": ({"schema": {}, "payload": {"id": "c1", "text": "Road", "created_at": 1780480800000}}, {"network": "other", "id": "c1"}),
    "own names": (OWN | {"network": "Twitter", "author": "bob", "place": "Colombo", "hashtags": "flood", "favourites": 12.0},
                  lambda post: (post.network, post.place.name, post.hashtags, post.favourites, bool(post.author.key)) == ("x", "Colombo", ("flood",), 12, True)),
}  # fmt: skip


@pytest.mark.parametrize("case", POSTS)
def test_it_is_one_post(case):
    value, wanted = POSTS[case]
    found = parse_record(value if isinstance(value, bytes) else json.dumps(value).encode(), timestamp=NOW)
    assert not found.problems
    [post] = found.posts
    if callable(wanted):
        assert wanted(post)
    else:
        assert {name: getattr(post, name) for name in wanted} == wanted


SEVERAL = {
    "thread": ({"thread": {"post": VIEW, "parent": {"post": VIEW | {"uri": f"{URI}p"}},
                           "replies": [{"post": VIEW | {"uri": f"{URI}r"}}, {"notFound": True, "uri": "at://x"}]}},
               [f"{URI}p", URI, f"{URI}r"]),
    "context": ({"ancestors": [STATUS], "descendants": [STATUS | {"uri": "https://m.example/2"}]},
                [STATUS["uri"], "https://m.example/2"]),
    "JSON Lines in one message": (json.dumps(OWN).encode() + b"\n" + json.dumps(OWN | {"id": "c2"}).encode(), ["c1", "c2"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SEVERAL)
def test_it_is_several_posts(case):
    value, ids = SEVERAL[case]
    found = parse_record(value if isinstance(value, bytes) else json.dumps(value).encode(), timestamp=NOW)
    assert [post.id for post in found.posts] == ids


GONE = {
    "Debezium, deleted": ({"before": OWN, "after": None, "op": "d"}, ("other", "c1")),
    "Debezium, unwrapped": (OWN | {"__deleted": "true"}, ("other", "c1")),
    "firehose, deleted": (op("delete", cid=None), ("bluesky", URI)),
    "Jetstream's first words": ({"did": DID, "commit": {"type": "d", "collection": "app.bsky.feed.post", "rkey": "3k"}}, ("bluesky", URI)),
    "tombstone of a note": ({"@context": "x", "id": NOTE["id"], "type": "Tombstone", "deleted": T}, ("mastodon", NOTE["id"])),
    "Mastodon by event stream": (b"event: delete\ndata: 113", ("mastodon", "113")),
    "Debezium, deleted, key only": ({"before": {"id": "c1"}, "after": None, "op": "d"}, ("other", "c1")),
    "MongoDB, deleted": ({"operationType": "delete", "documentKey": {"_id": "c1"}}, ("other", "c1")),
    "Maxwell, deleted": ({"database": "d", "table": "t", "type": "delete", "data": OWN}, ("other", "c1")),
    "snscrape's tombstone": ({"_type": "snscrape.modules.twitter.Tombstone", "id": 123, "text": "deleted"}, ("x", "123")),
    "deletion passed on by a group": (
        {"type": "Announce", "id": "https://g/1", "actor": "https://g", "object": {"type": "Delete", "actor": "a", "object": NOTE["id"]}},
        ("mastodon", NOTE["id"]),
    ),
    "batch line without a reason": ({"id": "117", "action": "delete", "created_at": T}, ("x", "117")),
}  # fmt: skip


@pytest.mark.parametrize("case", GONE)
def test_it_is_withdrawn(case):
    value, wanted = GONE[case]
    found = parse_record(value if isinstance(value, bytes) else json.dumps(value).encode(), timestamp=NOW)
    [gone] = found.withdrawals
    assert (gone.network, gone.id) == wanted
    assert not found.posts


@pytest.mark.parametrize(
    ("key", "wanted"),
    [(b'{"id": "c1"}', ("other", "c1")), (b'"1460323737035677698"', ("x", "1460323737035677698")),
     (b'{"schema": {}, "payload": "x/55555"}', ("x", "55555")), (b'\0\0\0\0*{"id": "c1", "network": "mastodon"}', ("mastodon", "c1"))],
)  # fmt: skip
def test_a_key_in_json_names_what_was_emptied_and_what_a_change_does_not(key, wanted):
    for value in (None, json.dumps({"payload": {"before": None, "after": None, "op": "d"}}).encode()):
        [gone] = parse_record(value, key=key).withdrawals
        assert (gone.network, gone.id) == wanted


NOTICES = {
    "comment of an event stream": b":thump\n",
    "empty list": b"[]",
    "like": json.dumps({"uri": f"at://{DID}/app.bsky.feed.like/1", "value": {"$type": "app.bsky.feed.like", "createdAt": T}}).encode(),
    "boost of a private status": json.dumps(STATUS | {"reblog": STATUS | {"visibility": "private"}}).encode(),
    "follow": json.dumps({"id": "2", "type": "follow", "account": {"id": "7"}}).encode(),
    "chat": json.dumps({"type": "Create", "actor": "a", "object": NOTE | {"type": "ChatMessage", "to": ["https://b"]}}).encode(),
    "like passed on": json.dumps({"type": "Announce", "id": "x", "actor": "g", "object": {"type": "Like", "object": "y"}}).encode(),
    "thread that is gone": json.dumps({"thread": {"notFound": True, "uri": URI}}).encode(),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTICES)
def test_it_is_a_notice(case):
    found = parse_record(NOTICES[case], timestamp=NOW)
    assert found._replace(notices=()) == Parsed()
    assert found.notices


def test_an_address_of_what_was_made_is_no_notice_and_an_account_that_is_gone_takes_its_posts():
    made = {"type": "Create", "actor": "a", "@context": "x", "object": "https://m.example/1"}
    assert "address of its object only" in parse_record(json.dumps(made).encode()).problems[0].reason
    gone = {
        "$type": "com.atproto.sync.subscribeRepos#account",
        "did": DID,
        "active": False,
        "status": "deleted",
        "time": T,
    }
    assert parse_record(json.dumps(gone).encode()).withdrawals[0].author_key


def test_a_cloud_events_header_tells_the_time():
    headers = [("ce_specversion", b"1.0"), ("ce_time", T.encode())]
    [post] = parse_record(b'{"network": "other", "id": "c1", "text": "x"}', headers, NOW + 500).posts
    assert post.created_at == TEN


def test_an_id_that_a_spreadsheet_has_rounded_is_none():
    [problem] = parse_record(b'{"tweet_id": "1.46032E+18", "tweet_text": "Water"}', timestamp=NOW).problems
    assert "a spreadsheet has rounded it" in problem.reason


def test_a_row_that_changed_is_an_edit_where_its_words_did():
    def post(before):
        change = {"before": before, "after": OWN | {"text": "Road open"}, "op": "u"}
        return parse_record(json.dumps(change).encode()).posts[0]

    assert post(OWN).edited
    assert post(None).edited == post(OWN).edited
    assert post(OWN | {"text": "Road open", "x": 1}).edited is None


@pytest.mark.parametrize("about", [{"notFound": True}, {"blocked": True}])
def test_a_place_in_a_thread_without_its_post_is_a_notice(about):
    assert parse_record(json.dumps({"uri": URI, **about}).encode()).notices


@pytest.mark.parametrize(
    "written",
    [
        "2026/06/03 10:00:00", "2026-06-03T10:00:00.000Z[UTC]", "2026-06-03t10:00:00z", "Jun 3, 2026 10:00 AM",
        "20260603100000", 202606031000, [2026, 6, 3, 10, 0], [2026, 6, 3, 10, 0, 0, 5], {"seconds": 1780480800, "nanos": 0},
        "/Date(1780480800000+0200)/", "10:00 AM · Jun 3, 2026", "03.06.2026 10:00", "2026-06-03T05:00:00\u221205:00",
        "2026-06-03 12:00:00+02:00", 1780480800.0, "1780480800.0", {"$date": {"$numberLong": "1780480800000"}},
    ],
    ids=str,
)  # fmt: skip
def test_times(written):
    assert moment(written) == TEN


def test_the_afternoon():
    assert moment("Jun 3, 2026 10:00 PM") == datetime(2026, 6, 3, 22, tzinfo=UTC)
    assert moment("Jun 3, 2026 12:05 am") == datetime(2026, 6, 3, 0, 5, tzinfo=UTC)


TABLES = {
    "crisislex.csv": b"tweet id, tweet,label\n\"'348351442404376578'\",\"Floods, in \nCalgary\",on-topic\n",
    "crisislex26.csv": b'Tweet ID, Tweet Text, Informativeness\n348351442404376578,"Floods, in \nCalgary",x\n',
    "semicolon.csv": b'\xef\xbb\xbfDatetime;Tweet Id;Text\n2013-06-22;348351442404376578;"Floods, in \nCalgary"\n',
    "bar.csv": b'tweet_id|tweet_text\r\n348351442404376578|"Floods, in \nCalgary"\r\n',
    "utf16.csv": 'tweet_id,tweet_text\n348351442404376578,"Floods, in \nCalgary"\n'.encode("utf-16"),
    "crisismmd.tsv": b'tweet_id\ttweet_text\timage_url\n348351442404376578\t"Floods, in \nCalgary"\thttps://a/1.jpg\n',
    "twint.csv": b"id,date,tweet,photos,lang\n348351442404376578,2013-06-22,\"Floods, in \nCalgary\",\"['https://a/1.jpg']\",NaN\n",
    "scraped.csv": b'url,date,rawContent\nhttps://twitter.com/a/status/348351442404376578,2013-06-22,"Floods, in \nCalgary"\n',
    "page.csv": b'Post id,Date,Post text,Post Link\n348351442404376578,x,"Floods, in \nCalgary",https://x.com/a/status/348351442404376578\n',
    "no name": b'id,text\n348351442404376578,"Floods, in \nCalgary"\n',
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_well_known_data_sets(name):
    [item] = items(io.BytesIO(TABLES[name]), name)
    [post] = parse_record(item.value, timestamp=NOW).posts
    assert (post.network, post.id, post.text) == ("x", "348351442404376578", "Floods, in \nCalgary")
    assert len(post.media) == (name in ("crisismmd.tsv", "twint.csv"))
    assert post.created_at.year == 2013


@given(
    st.lists(
        st.sampled_from(
            [
                "a ",
                "&amp;",
                "&eacute;x",
                "<p>",
                "</p>",
                "<br>",
                "<br/>",
                "<BR />",
                '<a href="https://n/?a=1&amp;b">',
                "</a>",
                '<a class="mention hashtag" href="x">',
                '<span class="quote-inline">',
                "</span>",
                "<div>",
                "</div>",
                "<!-- c -->",
                "<",
                ">",
                '<a title="x>y">',
                "<a href='x'>",
                "<p class=quote-inline>",
                "< b",
                "<3",
                "\n",
                "<script>",
                "</script>",
            ]
        ),
        max_size=8,
    )
)
def test_html_is_read_as_the_parser_reads_it(pieces):
    content = "".join(pieces)
    quick = HtmlText(content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HtmlText, "_plainly", lambda *_: False)
        slow = HtmlText(content)
    assert (quick.text, quick.links, quick.quotes) == (slow.text, slow.links, slow.quotes)


def test_lines_in_utf16_are_lines():
    lines = "".join(json.dumps(OWN | {"id": str(number)}) + "\n" for number in range(3))
    found = [parse_record(item.value).posts[0].id for item in items(io.BytesIO(lines.encode("utf-16")), "a.jsonl")]
    assert found == ["0", "1", "2"]
