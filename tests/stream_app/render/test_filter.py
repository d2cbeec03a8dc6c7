from __future__ import annotations

import json

import pytest
from factories import make_event, make_place
from hypothesis import given
from hypothesis import strategies as st

from stream_app.render.filter import Filter, parse_place
from stream_app.render.geojson import feature
from stream_app.render.table import line

EVENT = make_event(place=make_place(), damage="severe_damage", damage_probability=0.7, probability=0.9)


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (Filter(), True),
        (Filter(tasks=("damage",)), True),
        (Filter(tasks=("damage",), min_confidence=0.8), False),
        (Filter(min_confidence=0.8), True),
        (Filter(labels=frozenset({"severe_damage"}), min_confidence=0.8), False),
        (Filter(labels=frozenset({"severe_damage", "affected_individuals"}), min_confidence=0.8), True),
        (Filter(tasks=("humanitarian",), labels=frozenset({"severe_damage"})), False),
        (Filter(language="si"), False),
        (Filter(place=parse_place("colom")), True),
        (Filter(place=parse_place("lk")), True),
        (Filter(place=parse_place("Galle")), False),
    ],
)
def test_filters(wanted, passes):
    assert wanted.event(EVENT) is passes


def test_damage_is_not_asked_of_a_post_without_a_photo():
    assert not Filter(tasks=("damage",)).event(make_event())


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        ("79,6,80,7", (6.9, 79.8), (6.9, 80.1)),
        ("170,-25,-170,-10", (-18, 179.5), (-18, 160)),
        ("170,-25,-170,-10", (-18, -179.5), (-18, -160)),
        ("6.93,79.85,50", (7.2, 79.85), (7.5, 79.85)),
        ("-18,179.9,50", (-18, -179.9), (-18, 178)),
    ],
)
def test_places_by_numbers(text, inside, outside):
    where = parse_place(text)
    assert where(make_place(*inside))
    assert not where(make_place(*outside))


@pytest.mark.parametrize("text", ["1,2", "1,2,3,4,5", "91,0,5", "0,0,-1", "0,50,1,40", "0"])
def test_numbers_that_are_no_place_are_refused(text):
    with pytest.raises(ValueError):
        parse_place(text)


@given(st.text())
def test_a_line_of_the_table_is_one_line_that_cannot_steer_the_terminal(text):
    plain = line(make_event(text=text)).plain
    assert plain.replace("\u200c", "").replace("\u200d", "").isprintable()


def test_an_event_without_coordinates_has_no_geometry():
    named = make_place().model_copy(update={"latitude": None, "longitude": None})
    for place in (None, named):
        made = feature(make_event(place=place))
        assert made["geometry"] is None
    properties = json.loads(json.dumps(feature(EVENT)))["properties"]
    assert (properties["kind"], properties["post"]["text"]) == ("event", EVENT.post.text)
