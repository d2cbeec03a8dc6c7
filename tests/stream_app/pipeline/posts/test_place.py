"""Places from text: how many are found, and how many are right, by language; and the rules one by one."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.posts.atlas.atlas import Atlas, atlas
from stream_app.pipeline.posts.atlas.fold import key_of, lowered
from stream_app.pipeline.posts.atlas.own import GazetteerError, OwnAtlas, read_gazetteer
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.mentions import Words
from stream_app.pipeline.posts.parse import parse_post
from stream_app.pipeline.posts.place import place_in
from stream_app.settings import PlaceSettings

SENTENCES = Path(__file__).parent / "samples" / "places.tsv"
ALLOWED_KM = 40.0
FLOORS = {"precision": 0.95, "recall": 0.9}
FLOOR_OF_EACH_LANGUAGE = 0.8


def labelled():
    for line in SENTENCES.read_text().splitlines():
        if not line.startswith("#"):
            language, latitude, longitude, text = line.split("\t")
            yield language, None if latitude == "none" else (float(latitude), float(longitude)), text


def judged(language, spot, text):
    place = place_in(text, language)
    if place is None:
        return "nothing said" if spot is None else "missed"
    if spot is None:
        return "wrong"
    narrower = math.cos(math.radians(spot[0]))
    away = 111.2 * math.hypot(place.latitude - spot[0], narrower * (place.longitude - spot[1]))
    return "right" if away <= max(ALLOWED_KM, place.reach_km or 0) else "wrong"


def precision(counts):
    return counts["right"] / (counts["right"] + counts["wrong"])


def recall(counts, named):
    return counts["right"] / named


def test_precision_and_recall_by_language(capsys):
    """Prints the table of docs/formats.md (``pytest -s``)."""
    counts, named = defaultdict(Counter), Counter()
    for language, spot, text in labelled():
        counts[language][judged(language, spot, text)] += 1
        named[language] += spot is not None
    with capsys.disabled():
        print()
        for language, found in counts.items():
            line = f"{found.total():3d} | {precision(found):.2f} | {recall(found, named[language]):.2f}"
            print(f"| {language} | {line} |")
        whole = sum(counts.values(), Counter())
        print(f"| all | {whole.total():3d} | {precision(whole):.3f} | {recall(whole, named.total()):.3f} |")
    assert precision(whole) >= FLOORS["precision"]
    assert recall(whole, named.total()) >= FLOORS["recall"]
    for language, found in counts.items():
        assert precision(found) >= FLOOR_OF_EACH_LANGUAGE, language
        assert recall(found, named[language]) >= FLOOR_OF_EACH_LANGUAGE, language


@pytest.mark.parametrize(
    ("text", "name", "country"),
    [
        ("Paris, Texas is flooded", "Paris", "US"),
        ("Road to Kelaniya cut #SriLankaFloods", "Kelaniya", "LK"),
        ("#srilanka needs boats", "Sri Lanka", "LK"),
        ("EARTHQUAKE IN NEPAL", "Nepal", "NP"),
        ("Nepal’s capital Kathmandu shook", "Kathmandu", "NP"),
        ("Fire in Bogota", "Bogotá", "CO"),
        ("Mexico City after the quake", "Mexico City", "MX"),
        ("Mexico after the quake", "Mexico", "MX"),
        ("Springfield, MO storm", "Springfield", "US"),
        ("London sends aid to Nepal", "Nepal", "NP"),
        ("Hurricane Harvey over Houston, TX", "Houston", "US"),
        ("Flood-hit Sri\u00a0Lanka", "Sri Lanka", "LK"),
        ("USA: wildfire", "United States", "US"),
        ("Landslide in Kochi, Kerala", "Kochi", "IN"),
        ("2,000 dead in Derna", "Darnah", "LY"),
        ("flood in Kathmndu", "Kathmandu", "NP"),
        ("Hurricane Irma: Island of Barbuda destroyed", "Barbuda", "AG"),
        ("Floods in Antigua and Barbuda", "Antigua and Barbuda", "AG"),
        ("Storm over Scotland", "Scotland", "GB"),
        ("Bridge collapsed in Paris", "Paris", "FR"),
        ("Erdbeben auf Island", "Iceland", "IS"),
    ],
)
def test_found(text, name, country):
    place = place_in(text)
    assert (place.name, place.country_code, place.source) == (name, country, "gazetteer")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Hurricane Florence and Typhoon Hamilton",
        "Rigs in the Gulf of Mexico #GulfOfMexico",
        "Kalutara again",
        "Springfield storm",
        "https://Paris.example/Nepal @Nepal @Houston",
        "THE ROAD IS CUT",
        "Bridge collapsed. River rising",  # Bridge lies in Kent
        "The bridge has been swept away",  # there is a town that somebody calls so
        "Floods on the Island",  # German for Iceland
        "Flood on a small island",
        "Kathmndu",  # misspelt, and nothing speaks for a place
    ],
)
def test_not_found(text):
    assert place_in(text) is None


def test_no_english_word_for_a_kind_of_place_is_one():
    assert place_in("Storm: our Island needs help", "en") is None
    assert place_in("Sturm: unser Island braucht Hilfe", "de").name == "Iceland"


@pytest.mark.parametrize(
    ("text", "latitude", "longitude"),
    [
        ("6.93N 79.85E", 6.93, 79.85),
        ("33.45 S, 70.66 W", -33.45, -70.66),
        ("6°55'54\"N 79°51'00\"E", 6.93167, 79.85),
        ("trapped at -6.2, 106.8", -6.2, 106.8),
        ("geo:27.7172,85.3240;u=35", 27.7172, 85.324),
        ("https://www.google.com/maps/@19.4326,-99.1332,17z", 19.4326, -99.1332),
        ("https://www.openstreetmap.org/?mlat=37.0662&mlon=37.3833#map=15/37.0662/37.3833", 37.0662, 37.3833),
        ("7MV7P88F+V8", 27.7172, 85.3233),
        ("WVJ3+88 Colombo", 6.9309, 79.8534),
    ],
)
def test_positions(text, latitude, longitude):
    place = place_in(text)
    assert place.source == "coordinates"
    assert (place.latitude, place.longitude) == pytest.approx((latitude, longitude), abs=0.01)


@pytest.mark.parametrize(
    "text", ["1.25, 3.50", "$6.931, 79.851 more", "95.123, 20.456", "WVJ3+88", "call +94 77 1234567"]
)
def test_no_positions(text):
    assert place_in(text) is None


@pytest.mark.parametrize(
    ("text", "latitude", "longitude", "reach"),
    [
        ("Floods in Nepal", 28, 84.5, 217),
        ("Floods in Sri Lanka", 7.2, 80.3, 145),
        ("Fires in California", 36, -119.5, 464),
    ],
)
def test_a_country_or_state_is_a_coarse_place(text, latitude, longitude, reach):
    place = place_in(text)
    assert (place.latitude, place.longitude) == pytest.approx((latitude, longitude), abs=1.5)
    assert place.reach_km == pytest.approx(reach, abs=5)
    assert place_in("Flood in Paris").reach_km is None


def test_what_else_is_meant_is_told():
    place = place_in("Flood in Valencia")
    assert place.country_code == "ES"
    assert "VE" in {other.country_code for other in place.alternatives}
    assert place.confidence + sum(other.confidence for other in place.alternatives) <= 1.01
    surer = place_in("Flood in Valencia, Spain")
    assert surer.confidence > place.confidence
    assert surer.alternatives == ()


def test_what_the_network_says_wins(samples):
    enrich = Enricher()
    post = parse_post(samples["x_v2"]).model_copy(update={"text": "Not in Paris"})
    assert enrich.told(post).place.source == "place"
    assert enrich.told(post.model_copy(update={"place": None})).place.name == "Paris"
    assert post.place.source == "place"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Sri Lanka flood: kolonnawa under water", "Kolonnawa"),
        ("Texas floods: wharton and Houston", "Wharton"),
        ("Kerala: aluva residents wait", "Aluva"),
    ],
)
def test_a_region_makes_a_small_town_in_small_letters_a_place(text, name):
    assert place_in(text).name == name


@pytest.mark.parametrize(
    ("text", "keys", "joined"),
    [
        ("St. Louis, New York", ["st", "louis", "new", "york"], [1, 3]),
        ("#NewYork #houstonflood", ["new", "york", "houston", "flood"], [1, 3]),
        ("#SOS Paris", ["sos", "paris"], []),
        ("@Nepal https://Paris.example ـ Zürich", ["zurich"], []),
        ("#a_2020B ـ c", ["a", "b", "c"], [1]),
    ],
)
def test_words(text, keys, joined):
    words = Words(text)
    assert (words.keys, [at for at in range(len(words)) if words.joined(at)]) == (keys, joined)


CSV = "name,lat,lon,country,population,aliases\nKitulgala,6.99,80.41,LK,,Kithulgala;කිතුල්ගල\nParis,7.5,80.5,LK,300,\n"
GEOJSON = """{"type": "FeatureCollection", "features": [
  {"properties": {"name": "Kitulgala", "name:si": "කිතුල්ගල", "place": "village"},
   "geometry": {"type": "Point", "coordinates": [80.41, 6.99]}},
  {"properties": {"name": "Elapatha", "alt_name": "Elapata;Elapatha East"},
   "geometry": {"type": "Polygon", "coordinates": [[[80.3, 6.6], [80.5, 6.6], [80.5, 6.8], [80.3, 6.8]]]}},
  {"properties": {"highway": "yes"}, "geometry": {"type": "Point", "coordinates": [80, 7]}}]}"""


@pytest.mark.parametrize(("file", "content"), [("own.csv", CSV), ("own.geojson", GEOJSON)])
def test_an_own_gazetteer(tmp_path, samples, file, content):
    (tmp_path / file).write_text(content)
    enrich = Enricher(PlaceSettings(gazetteer=tmp_path / file))
    post = parse_post(samples["mastodon"]).model_copy(update={"place": None, "language": None})
    found = enrich.told(post.model_copy(update={"text": "Boats needed in Kitulgala"})).place
    assert (found.latitude, found.longitude) == (6.99, 80.41)
    assert enrich.told(post.model_copy(update={"text": "කිතුල්ගල flood"})).place.name == "Kitulgala"
    assert enrich.told(post.model_copy(update={"text": "Flood in Houston"})).place.country_code == "US"
    assert place_in("Boats needed in Kitulgala") is None
    if file == "own.geojson":
        shape = enrich.told(post.model_copy(update={"text": "Flood in Elapata"})).place
        assert (shape.name, shape.latitude, shape.longitude) == ("Elapatha", pytest.approx(6.7), pytest.approx(80.4))


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("no.csv", None, "cannot be read"),
        ("own.csv", "name,lat,lon\n", "holds no place"),
        ("own.csv", "name,lat,lon\nGalle,6.0,80.2\nKandy,north,80\n", "line 3 (Kandy) needs latitude"),
        ("own.csv", "name,lat,lon\nGalle,96.0,80.2\n", "not on Earth"),
        ("own.json", "[]", "no GeoJSON"),
        ("own.json", '{"features": [{"properties": {"name": "X"}, "geometry": null}]}', "feature 1"),
    ],
)
def test_a_gazetteer_that_is_none(tmp_path, file, content, said):
    if content is not None:
        (tmp_path / file).write_text(content)
    with pytest.raises(GazetteerError, match=r"place\.gazetteer") as caught:
        read_gazetteer(tmp_path / file)
    assert said in str(caught.value)


def test_a_file_that_is_no_atlas(tmp_path):
    (tmp_path / "atlas.bin").write_bytes(b"x" * 99)
    with pytest.raises(ValueError, match="no atlas of this version"):
        Atlas(tmp_path / "atlas.bin")


@given(st.text() | st.from_regex(r"(#?[A-Z]{0,3}[a-z]{0,8}[ .,’'-]?){0,12}") | st.text("0123456789.,-°NSEW+ 'C"))
def test_any_text(text):
    place_in(text)


@given(st.text())
def test_letters_stay_where_they_stood(text):
    assert len(lowered(text)) == len(text)
    assert key_of(text) == key_of(text.replace("İ", "I"))


@given(st.text())
def test_own_names_are_begun(text):
    own = OwnAtlas([])
    assert own.find(text) == atlas().find(text)
