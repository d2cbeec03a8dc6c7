"""Lines of files come out as the bytes they are, from any position."""

from __future__ import annotations

import gzip
import json

import pytest
from aiokafka import TopicPartition

from stream_app.replay import ReplayError
from stream_app.replay.files import FileHistory

MARK = TopicPartition("t", 0)
POST = b'{"network": "other", "id": "1", "text": "x", "created_at": "2026-01-01T00:00:00Z"}'


async def lines(history, start=0):
    return [(item.value, item.after) async for item in history.items({MARK: start} if start else {})]


async def test_bytes_pass_untouched_and_blank_lines_are_left_out(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(POST + b'\r\n\n \xff\xfe broken \n  \n{"last": "no newline"}')
    history = FileHistory([path], "t")
    assert await lines(history) == [(POST, 1), (b" \xff\xfe broken ", 3), (b'{"last": "no newline"}', 5)]
    assert history.done == history.total == path.stat().st_size


async def test_gzip_and_plain_files_follow_one_another(tmp_path):
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(POST + b"\n2\n")
    packed.write_bytes(gzip.compress(POST + b"\n4\n"))
    history = FileHistory([plain, packed], "t")
    assert await lines(history) == [(POST, 1), (b"2", 2), (POST, 3), (b"4", 4)]
    assert history.done == history.total


@pytest.mark.parametrize("start", range(6))
async def test_it_goes_on_after_any_position(tmp_path, start):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"0\n1\n2\n3\n" + POST)
    assert [value for value, _ in await lines(FileHistory([path], "t"), start)] == [b"0", b"1", b"2", b"3", POST][
        start:
    ]


def test_the_name_follows_place_first_line_and_target_so_that_a_file_may_grow(tmp_path):
    a, b = tmp_path / "a", tmp_path / "b"
    for path in (a, b):
        path.write_bytes(POST + b"\n")
    before = FileHistory([a], "t").name
    names = {FileHistory(*args).name for args in (([a], "t"), ([b], "t"), ([a], "u"), ([a, b], "t"), ([b, a], "t"))}
    assert len(names) == 5
    a.write_bytes(POST + b"\nmore\n")
    assert FileHistory([a], "t").name == before
    a.write_bytes(POST.replace(b"x", b"y") + b"\nmore\n")
    assert FileHistory([a], "t").name != before


def test_a_file_without_a_post_is_refused_with_what_it_looks_like(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": 1}\n{"b": 2}\n')
    with pytest.raises(ReplayError, match=r"nothing in it is a post \(2 lines\). The first: .*\[a\]"):
        FileHistory([path], "t")


async def test_a_line_too_long_for_memory_is_named_and_the_rest_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr("stream_app.pipeline.feed.archive.MAX_ITEM", 1000)
    path = tmp_path / "a.jsonl"
    path.write_bytes(POST + b"\n" + b"x" * 300_000 + b"\n" + POST + b"\n")
    first, long, last = [item async for item in FileHistory([path], "t").items({})]
    assert (first.value, last.value) == (POST, POST)
    assert (long.told, long.size, long.after) == (f"{path} line 2", 300_000, 2)
    assert len(long.value) <= 1000


async def test_pace_follows_when_the_network_saw_a_post(tmp_path):
    path = tmp_path / "a.jsonl"
    record = {"text": "a", "createdAt": "2020-01-01T00:00:00Z"}
    commit = {"operation": "create", "collection": "app.bsky.feed.post", "rkey": "1", "record": record}
    path.write_text(json.dumps({"did": "did:plc:a", "time_us": 1767225600000000, "commit": commit}))
    assert [item.when async for item in FileHistory([path], "t", timed=True).items({})] == [1767225600.0]


async def test_times_are_read_where_there_is_a_post(tmp_path):
    path = tmp_path / "a.jsonl"
    post = {"network": "other", "id": "1", "text": "x", "created_at": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(post) + "\nbroken\n")
    assert [item.when async for item in FileHistory([path], "t", timed=True).items({})] == [1767225600.0, None]
    assert [item.when async for item in FileHistory([path], "t").items({})] == [None, None]


async def test_a_damaged_gzip_says_where_after_giving_what_it_has(tmp_path):
    path = tmp_path / "cut.jsonl.gz"
    whole = gzip.compress(POST + b"\n" + b"".join(b"line %d\n" % n for n in range(50_000)))
    path.write_bytes(whole[: len(whole) // 2])
    seen = []

    async def count():
        async for item in FileHistory([path], "t").items({}):
            seen.append(item.value)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(ReplayError, match=r"cut\.jsonl\.gz: cannot be read after line (\d+)") as caught:
        await count()
    assert len(seen) > 100
    assert f"line {len(seen)}:" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ReplayError, match=r"nowhere\.jsonl: No such file"):
        FileHistory([tmp_path / "nowhere.jsonl"], "t")
