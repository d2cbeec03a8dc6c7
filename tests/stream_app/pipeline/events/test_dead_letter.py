"""A dead letter holds the original untouched and says what went wrong."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app import __version__
from stream_app.pipeline.events.dead_letter import (
    PREFIX,
    WITHOUT,
    Failure,
    dead_letter,
    original_headers,
    read_dead_letter,
)


@dataclass
class Original:
    topic: str = "crisis.posts"
    partition: int = 3
    offset: int = 42
    key: bytes | None = b"k"
    value: bytes | None = b"\xff not json"
    headers: list = field(default_factory=list)


HEADERS = st.lists(st.tuples(st.text().filter(lambda name: not name.startswith(PREFIX)), st.binary()))


@given(st.none() | st.binary(), st.none() | st.binary(), HEADERS)
def test_key_value_and_headers_are_untouched(key, value, headers):
    letter = dead_letter("dl", Original(key=key, value=value, headers=headers), Failure("parse", "no"))
    assert (letter.key, letter.value) == (key, value)
    assert original_headers(letter.headers) == headers


@given(st.text(max_size=900))
def test_what_went_wrong_can_be_read_back(error):
    letter = dead_letter("dl", Original(), Failure("model", error, "fixed 1"))
    read = read_dead_letter(letter.headers)
    assert read.error == error.encode("utf-8", "replace").decode()
    assert (read.stage, read.attempts, read.program, read.model) == ("model", 1, __version__, "fixed 1")
    assert read.source == ("crisis.posts", 3, 42)
    assert read.time.tzinfo is not None


def test_attempts_count_on_over_re_drives():
    first = dead_letter("dl", Original(), Failure("model", "no"))
    attempts = [header for header in first.headers if header[0] == "dl-attempts"]
    second = dead_letter("dl", Original(headers=[("mine", b"1"), *attempts]), Failure("model", "no"))
    assert read_dead_letter(second.headers).attempts == 2
    assert read_dead_letter(second.headers).original_headers == (("mine", b"1"),)


@pytest.mark.parametrize("nonsense", [b"", b"-1", b"many", None])
def test_a_nonsense_attempts_header_counts_as_none(nonsense):
    letter = dead_letter("dl", Original(headers=[("dl-attempts", nonsense)]), Failure("parse", "no"))
    assert read_dead_letter(letter.headers).attempts == 1


def test_a_long_error_is_cut():
    letter = dead_letter("dl", Original(), Failure("parse", "x" * 100_000))
    assert len(read_dead_letter(letter.headers).error) == 1000


def test_something_else_is_refused_by_name_of_the_missing_header():
    with pytest.raises(ValueError, match="dl-stage"):
        read_dead_letter([("a", b"b")])


def test_a_first_place_that_nobody_can_have_written_is_not_kept():
    letter = dead_letter("dl", Original(headers=[("dl-first", b"x" * 301)]), Failure("parse", "no"))
    assert read_dead_letter(letter.headers).first == "crisis.posts:3:42"


@pytest.mark.parametrize("without", WITHOUT)
def test_what_is_left_out_is_told_with_its_size_and_hash(without):
    original = Original(headers=[("mine", b"1"), ("none", None)])
    letter = dead_letter("dl", original, Failure("parse", "no"), without)
    read = read_dead_letter(letter.headers)
    assert [part for part, _ in read.left_out] == list(without)
    assert all("bytes, sha256 " in said for _, said in read.left_out)
    assert (letter.value, letter.key) == (b"" if without else original.value, None if "key" in without else b"k")
    assert bool(read.original_headers) is ("headers" not in without)
