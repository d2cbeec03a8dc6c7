"""Places from text: found where the text is clear, absent where it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.posts.enrich import enrich
from stream_app.pipeline.posts.gazetteer import ORDINARY, gazetteer
from stream_app.pipeline.posts.parse import parse_post
from stream_app.pipeline.posts.place import _may_name, _mentions, place_in


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("Flood in Paris", "Paris", "FR"),
        ("Paris, Texas is flooded", "Paris", "US"),
        ("Kalutara, Sri Lanka: the road is cut", "Kalutara", "LK"),
        ("Road to Kelaniya cut #SriLankaFloods", "Kelaniya", "LK"),
        ("#srilanka needs boats", "Sri Lanka", "LK"),
        ("EARTHQUAKE IN NEPAL", "Nepal", "NP"),
        ("Nepal’s capital Kathmandu shook", "Kathmandu", "NP"),
        ("Fire in Bogota", "Bogotá", "CO"),
        ("Mexico City after the quake", "Mexico City", "MX"),
        ("Mexico after the quake", "Mexico", "MX"),
        ("Tornado near St. Louis", "St. Louis", "US"),
        ("NEW ORLEANS levee", "New Orleans", "US"),
        ("Springfield, MO storm", "Springfield", "US"),
        ("London sends aid to Nepal", "Nepal", "NP"),
        ("Hurricane Harvey over Houston, TX", "Houston", "US"),
        ("Flood-hit Sri\u00a0Lanka", "Sri Lanka", "LK"),
        ("USA: wildfire", "United States", "US"),
        ("Kalutara flooded", "Kalutara", "LK"),
        ("People on roofs in Ratnapura", "Ratnapura", "LK"),
        ("Boats wanted #Ratnapura", "Ratnapura", "LK"),
        ("Near Galle the road is cut", "Galle", "LK"),
        ("Gorkha, Nepal: houses down", "Gorkha", "NP"),
        ("Landslide in Kochi, Kerala", "Kochi", "IN"),
        ("Kerala under water", "Kerala", "IN"),
    ],
)
def test_found(text, name, country):
    place = place_in(text)
    assert (place.name, place.country_code, place.source) == (name, country, "gazetteer")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Reading about Nice weather in a Mobile home Of Surprise",
        "nepal and paris in small letters",
        "Hurricane Florence and Typhoon Hamilton",
        "President Lincoln said",
        "Rigs in the Gulf of Mexico #GulfOfMexico",
        "Kalutara again",
        "Sydney Sweeney and Paris Hilton met Florence Pugh",
        "Madison Beer sang on the George Washington bridge",
        "Springfield storm",
        "https://Paris.example/Nepal @Nepal @Houston",
        "THE ROAD IS CUT",
    ],
)
def test_not_found(text):
    assert place_in(text) is None


def test_the_position_is_the_citys():
    texas, france = place_in("Paris, TX"), place_in("Paris")
    assert (texas.latitude, texas.longitude) == pytest.approx((33.66, -95.56), abs=0.1)
    assert (france.latitude, france.longitude) == pytest.approx((48.85, 2.35), abs=0.1)


@pytest.mark.parametrize(
    ("text", "latitude", "longitude", "reach"),
    [("Nepal", 28, 84.5, 217), ("Floods in Sri Lanka", 7.2, 80.3, 145), ("Fires in California", 35.5, -119.5, 250)],
)
def test_a_country_or_state_is_a_coarse_place(text, latitude, longitude, reach):
    place = place_in(text)
    assert (place.latitude, place.longitude) == pytest.approx((latitude, longitude), abs=1.5)
    assert place.reach_km == pytest.approx(reach, abs=5)
    assert place_in("Paris").reach_km is None


def test_what_the_network_says_wins(samples):
    post = parse_post(samples["x_v2"]).model_copy(update={"text": "Not in Paris"})
    assert enrich(post).place.source == "place"
    assert enrich(post.model_copy(update={"place": None})).place.name == "Paris"
    assert post.place.source == "place"


def test_names_left_out_are_real_names_and_short_ones_are_gone():
    names = gazetteer().names
    assert not {word.replace("|", " ") for word in ORDINARY} & names.keys()
    assert {"USA", "UK"} <= names.keys()
    assert all(len(name) > 3 for name in names if name not in ("USA", "UK", "UAE", "DRC"))


@given(st.text() | st.from_regex(r"(#?[A-Z]{0,3}[a-z]{0,8}[ .,’'-]?){0,12}"))
def test_any_text(text):
    place_in(text)


@st.composite
def sentences(draw):
    """Names among other words, written in the ways people write them."""
    names = st.sampled_from(sorted(gazetteer().names))
    written = st.sampled_from([str, str.upper, str.lower, lambda n: "#" + n.replace(" ", ""), lambda n: n + "'s"])
    named = st.builds(lambda how, name: how(name), written, names)
    words = st.sampled_from(["in", "THE", "flood", "#rain", "3", "-", "@a_b", "https://t.co/x"]) | st.text(max_size=6)
    parts = draw(st.lists(named | words, max_size=5))
    return draw(st.sampled_from([" ", "", "-", ", ", "_"])).join(parts)


@given(sentences())
def test_the_quick_look_misses_no_name(text):
    tables = gazetteer()
    assert _may_name(text, tables) or not list(_mentions(text, tables))
