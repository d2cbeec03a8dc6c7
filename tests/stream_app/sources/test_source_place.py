"""The place a source keeps, how long it waits, and what it lets through: no network, no Kafka."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.settings import SourceSettings
from stream_app.sources.backoff import Backoff
from stream_app.sources.filter import Filter, inside
from stream_app.sources.frame import DisconnectedError, SourceError
from stream_app.sources.place import Place
from stream_app.sources.refusal import answered


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(0, 2**63 - 1)), max_size=600), st.text(max_size=400))
def test_a_place_is_read_as_it_was_written_and_fits_into_kafka(sent, host):
    place = Place(position=5, heard=1.5, host=host.encode(errors="ignore").decode(), floor=2)
    for name, position in sent:
        place.remember(name.encode(errors="ignore").decode(), position)
    text = place.text()
    assert len(text.encode()) < 4096
    again = Place.read(text)
    assert again.text() == text
    for name, _ in sent[-400:]:
        assert again.knows(name.encode(errors="ignore").decode(), None)


def test_what_is_forgotten_is_known_by_its_position_and_what_is_new_is_not():
    place = Place()
    for number in range(1000):
        place.remember(str(number), number)
    assert place.floor == 599
    assert not place.knows("599", None)
    assert place.knows("599", 599)
    assert place.knows("600", 600)
    assert not place.knows("late", 600)
    assert not place.knows("1000", 1000)


@pytest.mark.parametrize(
    "text", ["", "3", "{}", '{"position":1}', '{"position":1,"heard":1,"host":"","floor":0,"sent":"!"}']
)
def test_offsets_of_another_program_are_no_place(text):
    with pytest.raises(ValueError):
        Place.read(text)


def waits(backoff, kind, count, asked=0.0):
    return [backoff.after(DisconnectedError("x", kind, asked)) for _ in range(count)]


def test_the_waits_are_those_of_xs_table():
    backoff = Backoff()
    assert waits(backoff, "network", 4) == [0, 0.25, 0.5, 0.75]
    assert waits(backoff, "network", 100)[-1] == 16
    assert waits(backoff, "http", 9) == [5, 10, 20, 40, 80, 160, 320, 320, 320]
    assert waits(backoff, "rate", 6) == [60, 120, 240, 480, 900, 900]
    backoff.reset()
    assert waits(backoff, "network", 1) == [0]
    assert waits(backoff, "rate", 1, asked=100.0) == [100]
    assert waits(backoff, "rate", 1, asked=1e9) == [900]
    assert waits(Backoff(), "http", 2000)[-1] == 320


@pytest.mark.parametrize(
    ("status", "kind"), [(429, "rate"), (420, "rate"), (500, "http"), (503, "http"), (409, "http")]
)
def test_an_answer_that_may_get_better_is_tried_again(status, kind):
    error = answered("host", status, {"Retry-After": "7"})
    assert isinstance(error, DisconnectedError)
    assert (error.kind, error.wait_s) == (kind, 7.0)


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_an_answer_that_will_not_get_better_ends_the_source(status):
    assert isinstance(answered("host", status, {}), SourceError)


def post(text="", **fields):
    own = {"network": "other", "id": "1", "created_at": "2026-01-01T00:00:00Z", "text": text}
    return json.dumps(own | fields).encode()


def at(longitude, latitude):
    return {"place": {"source": "point", "longitude": longitude, "latitude": latitude}}


def test_words_or_boxes_and_languages():
    wanted = Filter(SourceSettings(words=("Überflutung", "洪水"), boxes=((10, 50, 12, 52),), languages=("de", "ja")))
    assert wanted.passes(post("ÜBERFLUTUNG!", language="de"))
    assert wanted.passes(post("東京で洪水", language="ja"))
    assert wanted.passes(post("U\u0308berflutung"))
    assert not wanted.passes(post("überflutung", language="en"))
    assert not wanted.passes(post("Sonne", language="de"))
    assert wanted.passes(post("Sonne", language="de", **at(11, 51)))
    assert not wanted.passes(post("Sonne", language="de", **at(11, 53)))
    assert wanted.passes(post("x", hashtags=["Überflutung"]))


def test_what_cannot_be_read_passes_to_become_a_dead_letter():
    assert Filter(SourceSettings(words=("flood",))).passes(b"{broken")
    assert not Filter(SourceSettings(words=("flood",))).passes(post("sun"))
    assert Filter(SourceSettings()).passes(post("sun"))


def test_a_box_may_cross_the_antimeridian():
    assert inside((170, -20, -170, 0), 175, -10)
    assert inside((170, -20, -170, 0), -175, -10)
    assert not inside((170, -20, -170, 0), 0, -10)
    assert not inside((-10, -20, 10, 0), 175, -10)
