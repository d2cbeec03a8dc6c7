# ruff: noqa: E501 - a case is a line
"""The kinds of ../shared/cases/feeds.jsonl in other dress, out of the formats' own documentation: our own invented posts."""

import base64
import gzip
import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.feed.archive import items
from stream_app.pipeline.posts.html_text import HtmlText
from stream_app.pipeline.posts.parse import parse_record
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
    "Glue's frame": (b"\x03\x00" + b"u" * 16 + json.dumps(OWN).encode(), {"id": "c1"}),
    "gzip": (gzip.compress(json.dumps(OWN).encode()), {"id": "c1"}),
    "UTF-16 without a mark": (json.dumps(OWN).encode("utf-16-le"), {"id": "c1"}),
    "UTF-16, other end first": (json.dumps(OWN).encode("utf-16-be"), {"id": "c1"}),
    "UTF-32": (json.dumps(OWN).encode("utf-32"), {"id": "c1"}),
    "JSON text sequence": (b"\x1e" + json.dumps(OWN).encode(), {"id": "c1"}),
    "data set's names": ({"tweet_id": TWEET["id"], "tweet_text": "Water"}, {"network": "x", "text": "Water"}),
    "float id of a table with gaps": (OWN | {"id": 17.0}, {"id": "17"}),
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
    "batch line without a reason": ({"id": "117", "action": "delete", "created_at": T}, ("x", "117")),
}  # fmt: skip


@pytest.mark.parametrize("case", GONE)
def test_it_is_withdrawn(case):
    value, wanted = GONE[case]
    found = parse_record(value if isinstance(value, bytes) else json.dumps(value).encode(), timestamp=NOW)
    [gone] = found.withdrawals
    assert (gone.network, gone.id) == wanted
    assert not found.posts


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
    "no name": b'id,text\n348351442404376578,"Floods, in \nCalgary"\n',
}  # fmt: skip


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_well_known_data_sets(name):
    [item] = items(io.BytesIO(TABLES[name]), name)
    [post] = parse_record(item.value, timestamp=NOW).posts
    assert (post.network, post.id, post.text) == ("x", "348351442404376578", "Floods, in \nCalgary")
    assert len(post.media) == (name == "crisismmd.tsv")
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
