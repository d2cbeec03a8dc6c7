"""Whatever the bytes, parsing answers with a Post, a PostError or NotAPost, and nothing else."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_app.pipeline.posts.identity import keys
from stream_app.pipeline.posts.parse import PostError, parse_post

KEYS = [
    "data", "network", "did", "account", "event", "payload", "text", "id", "commit", "uri", "record", "post", "verb",
    "object", "type", "actor", "@context", "author_id", "referenced_tweets", "Text", "Id", "_type", "rawContent", "delete",  # noqa: E501
    "action", "reason", "specversion", "schema", "statuses", "tweet", "value", "meta", "date", "content", "user",
]  # fmt: skip

FORMATS = ["x_v2", "x_v2_retweet", "x_v1", "bluesky", "bluesky_repost", "mastodon", "own"]

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**62, max_value=2**80)
    | st.floats()
    | st.text()
    | st.sampled_from(
        ["x", "1e999", "\x00", "2021-11-15T19:08:05Z", "0001-01-01T00:00:00+23:59", "https://a.example/b.jpg"]
    )
)
anything = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
fuzz = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def answers(value: bytes) -> None:
    """Parse; a post must round-trip and have keys, a refusal must be a sentence; any other exception fails the test."""
    with suppress(PostError):
        post = parse_post(value)
        assert parse_post(post.model_dump_json().encode()).id == post.id
        assert keys(post)
        return
    with pytest.raises(PostError) as caught:
        parse_post(value)
    assert caught.value.reason == str(caught.value)
    assert caught.value.reason.endswith(".")
    assert len(caught.value.reason) < 600
    assert "reader of this format failed" not in caught.value.reason


def paths(value, path=()):
    """The path of every value inside a JSON value."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def replaced(value, path, new):
    if not path:
        return new
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


@fuzz
@given(st.binary(max_size=200))
def test_any_bytes(value):
    answers(value)


@fuzz
@given(st.dictionaries(st.sampled_from(KEYS), st.dictionaries(st.sampled_from(KEYS), anything, max_size=5) | anything))
def test_any_object_that_looks_like_a_post(value):
    answers(json.dumps(value).encode())


@pytest.mark.parametrize("name", FORMATS)
@fuzz
@given(data=st.data())
def test_a_sample_with_one_value_changed(samples, name, data):
    value = json.loads(samples[name])
    path = data.draw(st.sampled_from(list(paths(value))))
    answers(json.dumps(replaced(value, path, data.draw(anything))).encode())


@pytest.mark.parametrize("name", FORMATS)
@fuzz
@given(data=st.data())
def test_a_sample_cut_short_or_with_bytes_changed(samples, name, data):
    value = bytearray(samples[name])
    at = data.draw(st.integers(0, len(value) - 1))
    if data.draw(st.booleans()):
        answers(bytes(value[:at]))
    value[at] = data.draw(st.integers(0, 255))
    answers(bytes(value))


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b'{"data":' * 100_000,
        b'{"data":{"id":"1","text":"a","geo":' + b"[" * 5_000 + b"]" * 5_000 + b"}}",
        b'{"data":{"id":' + b"9" * 5_000 + b',"text":"a"}}',
        b'{"data":{"id":"' + b"9" * 5_000 + b'","text":"a"}}',
        b'{"data":{"id":"1460323737035677698","text":"\\ud800 lone"}}',
        b'{"data":{"id":"1460323737035677698","text":"\\u0000"}}',
        b'{"data":{"id":"1460323737035677698","text":"a","public_metrics":{"like_count":NaN}}}',
        b'{"data":{"id":"1460323737035677698","text":"a","public_metrics":{"like_count":1e400}}}',
        b'{"id_str":"5","text":"a","created_at":"Fri May 99 08:15:42 +0000 2017"}',
        b'{"id_str":"5","text":"a","created_at":"Fri May 26 08:15:42 +9999 0001"}',
        b'{"event":"update","payload":"' + b"[" * 100_000 + b'"}',
        b'{"account":{},"id":"1","created_at":"2024-01-01T00:00:00Z","content":"' + b"<p>" * 50_000 + b'"}',
        b'{"account":{},"id":"1","created_at":"2024-01-01","content":"<![CDATA[ <!doctype <a href=&#xD800;&#0"}',
        b'{"text":"' + b"a" * 5_000_000 + b'"}',
    ],
    ids=lambda value: f"{value[:24]!r}-{len(value)}",
)
def test_hostile_values(value):
    answers(value)
