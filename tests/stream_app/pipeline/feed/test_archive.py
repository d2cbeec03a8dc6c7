"""Items come out of every packing as they went in, one at a time."""

import bz2
import gzip
import io
import json
import tarfile
import tracemalloc
import zipfile

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.feed import archive
from stream_app.pipeline.feed.archive import DAMAGED, items

ROWS = [{"id": str(number), "text": 'say "\\ud83d" [{,}] \\'} for number in range(3)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)


def tar(**files):
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as packed:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            packed.addfile(info, io.BytesIO(data))
    return made.getvalue()


def zipped(**files):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return made.getvalue()


def read(data, name="a.jsonl"):
    return [json.loads(item.value) for item in items(io.BytesIO(data), name)]


@pytest.mark.parametrize(
    "data",
    [
        LINES,
        gzip.compress(LINES),
        gzip.compress(LINES[:60]) + gzip.compress(LINES[60:]),
        bz2.compress(LINES),
        zstandard.compress(LINES),
        zstandard.compress(LINES[:60]) + zstandard.compress(LINES[60:]),
        tar(a=LINES),
        gzip.compress(tar(a=gzip.compress(LINES))),
        zipped(a=LINES),
        json.dumps(ROWS).encode(),
        json.dumps(ROWS, indent=2).encode(),
        "\n".join(json.dumps(row, indent=2) for row in ROWS).encode(),
        b"window.YTD.tweets.part0 = " + json.dumps(ROWS, indent=1).encode(),
        b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
        b"".join(json.dumps([row]).encode() + b"\n" for row in ROWS),
    ],
    ids=range(15),
)
def test_every_packing(data):
    assert read(data) == ROWS


def test_of_an_archive_of_x_only_the_posts_are_read():
    data = zipped(**{"data/tweets.js": b"window.YTD.tweets.part0 = [1, 2]", "data/account.js": b"window.YTD.a = [3]"})
    assert read(data, "twitter.zip") == [1, 2]


def test_rows_of_a_table_are_nested_and_empty_cells_left_out():
    table = (
        'id,text,author.public_metrics.followers_count,attachments.media,lang\r\n7,"a\nb",12,"[{""url"": ""u""}]",\r\n'
    )
    assert read(table.encode(), "a.csv") == [
        {"id": "7", "text": "a\nb", "author": {"public_metrics": {"followers_count": "12"}},
         "attachments": {"media": [{"url": "u"}]}}
    ]  # fmt: skip
    assert read(b"id\ttext\n1\ta,b\n", "a.tsv") == [{"id": "1", "text": "a,b"}]


leaf = st.text(st.characters(exclude_categories=["Cs"])) | st.integers() | st.none()
value = st.recursive(leaf, lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["a", "{,", "\\"]), inner))


@given(st.lists(value, min_size=1), st.integers(1, 40))
def test_elements_are_found_wherever_a_chunk_ends(values, chunk):
    before, archive._CHUNK = archive._CHUNK, chunk
    try:
        assert read(json.dumps(values, ensure_ascii=False).encode("utf-8", "replace")) == values
    finally:
        archive._CHUNK = before


@pytest.mark.parametrize("data", [gzip.compress(LINES * 99)[:-9], tar(a=LINES * 99)[:1000], bz2.compress(LINES)[:-4]])
def test_what_is_cut_short_is_damaged(data):
    with pytest.raises(DAMAGED):
        read(data)


class Endless(io.RawIOBase):
    def __init__(self, length):
        self.left = length

    def readable(self):
        return True

    def readinto(self, into):
        size = min(len(into), self.left)
        into[:size] = b"x" * size
        self.left -= size
        return size


@pytest.mark.parametrize("head", [b"", b'["'])
def test_an_endless_line_takes_constant_memory(head, monkeypatch):
    monkeypatch.setattr(archive, "MAX_ITEM", 1_000_000)
    tracemalloc.start()
    try:
        raw = io.BufferedReader(Endless(50_000_000))
        found = list(archive._elements(raw)) if head else list(items(raw, "a"))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6_000_000
    if not head:
        assert found[0].too_long
        assert found[0].size == 50_000_000
