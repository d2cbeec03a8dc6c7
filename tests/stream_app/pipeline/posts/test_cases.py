"""Every case of ../shared/cases/feeds.jsonl, by name: what producers really write, and what it must become."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from stream_app.pipeline.posts.parse import parse_record

CASES = Path(__file__).resolve().parents[5] / "shared" / "cases" / "feeds.jsonl"
NOW = 1_780_480_800.0


def one(found):
    assert not found.problems
    [post] = found.posts
    return post


def page(found):
    repost, original = found.posts
    assert (repost.kind, repost.text) == ("repost", "Water over the bridge, cars stuck")
    assert (original.kind, len(original.media)) == ("original", 1)


def flattened(found):
    post = one(found)
    assert (post.kind, post.root_id, post.text) == (
        "repost", "1460000000000000000", "Water over the bridge, cars stuck"
    )  # fmt: skip
    assert (len(post.media), post.author.followers) == (1, 5)


def connect(found):
    post = one(found)
    assert (post.network, len(post.media), post.author.followers) == ("x", 1, 12)
    assert post.created_at == datetime.fromtimestamp(1772343000, UTC)


def cloud_event(found):
    post = one(found)
    assert (post.network, post.id, len(post.media)) == ("other", "sms-17", 1)


def withdrawn(found):
    assert len(found.withdrawals) == 1
    assert found.posts == found.problems == ()


def unknown_embed(found):
    assert one(found).degraded == ("embed of unknown type app.bsky.embed.hologram",)


def nulls(found):
    post = one(found)
    assert (post.links, post.media, post.favourites) == (0, (), None)


def has(**facts):
    def check(found):
        post = one(found)
        assert {name: getattr(post, name) for name in facts} == facts

    return check


TEN = datetime(2026, 6, 3, 10, tzinfo=UTC)
CHECKS = {
    "twarc2 page: two posts in one line": page,
    "empty page": lambda found: (found.notices and not found.problems) or pytest.fail(str(found)),
    "twarc2 flattened retweet with media": flattened,
    "Bluesky gallery of two photos": lambda found: len(one(found).media) == 2 or pytest.fail(str(found)),
    "Bluesky embed of a kind nobody knows yet": unknown_embed,
    "flat Bluesky record": has(network="bluesky", text="River over its banks", language="en"),
    "Bluesky repost of a root never seen": has(kind="repost", text="", media=()),
    "CloudEvent, structured, with our own Post": cloud_event,
    "Kafka Connect envelope": has(id="c1", text="Road closed by mud"),
    "Kafka Connect Twitter source record": connect,
    "JSON inside a JSON string": has(id="d1"),
    "epoch milliseconds": has(created_at=TEN),
    "half an emoji": has(text="Help at the school \ufffd"),
    "NaN where nobody needs it": has(id="n1"),
    "byte order mark": has(id="b1"),
    "nulls and negatives in optional fields": nulls,
    "year 1": has(created_at=datetime.fromtimestamp(NOW, UTC)),
    "Mastodon edit with another text": lambda found: one(found).edited or pytest.fail(str(found)),
    "X compliance deletion": withdrawn,
    "batch compliance line": withdrawn,
    "schema-registry frame before JSON": has(id="r1"),
}


@pytest.mark.shared
@pytest.mark.parametrize("case", CHECKS)
def test_case(case):
    if not CASES.is_file():
        pytest.skip(f"no cases at {CASES}")
    rows = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
    assert {row["case"] for row in rows} == set(CHECKS)
    value = next(row["value"] for row in rows if row["case"] == case)
    CHECKS[case](parse_record(value.encode(), timestamp=NOW))
