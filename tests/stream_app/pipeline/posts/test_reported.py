"""What a text reports in figures: in the languages people write, and not where it is something else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.posts import reported
from stream_app.pipeline.posts.reported import Facts, facts_in


def said(text, **options):
    return facts_in(text, **options).model_dump(exclude_defaults=True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("14 people are feared dead and 3 missing, 1,200 injured", {"dead": 14, "missing": 3, "injured": 1200}),
        ("Death toll climbs to 1.200; 5 dead in one village", {"dead": 1200}),
        ("We are five people, 3 children trapped on the roof", {"trapped": 3}),
        ("Quake killed 14, injured 20", {"dead": 14, "injured": 20}),
        ("10 dead 20 injured", {"dead": 10, "injured": 20}),
        ("14 muertos, tres desaparecidos y 20 personas atrapadas", {"dead": 14, "missing": 3, "trapped": 20}),
        ("14 morts et 5 blessés, deux personnes portées disparues", {"dead": 14, "injured": 5, "missing": 2}),
        ("14 mortos e 3 feridos, 2 pessoas estão desaparecidas", {"dead": 14, "injured": 3, "missing": 2}),
        ("14 morti, 3 feriti, due dispersi", {"dead": 14, "injured": 3, "missing": 2}),
        ("14 Tote, 3 Verletzte", {"dead": 14, "injured": 3}),
        ("загинуло 14 людей, троє людей, 3 зниклих, 5 поранених", {"dead": 14, "missing": 3, "injured": 5}),
        ("14 погибших, 3 пропавших", {"dead": 14, "missing": 3}),
        ("14 kişi öldü, 20 yaralı, 3 kişi enkaz altında", {"dead": 14, "injured": 20, "trapped": 3}),
        ("14 orang tewas, 3 orang hilang", {"dead": 14, "missing": 3}),
        ("مقتل 14 شخصا و 5 جرحى", {"dead": 14, "injured": 5}),
        ("وفاة ١٤", {"dead": 14}),
        ("12 patay, 3 nawawala", {"dead": 12, "missing": 3}),
        ("14人死亡、3人行方不明", {"dead": 14, "missing": 3}),
        ("0 deaths", {"dead": 0}),
    ],
)
def test_people_are_counted_in_many_languages(text, expected):
    assert said(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "in 2004 dead fish, 2 dead batteries",
        "three of my phones are dead",
        "10/11/2015 missing you",
        "12 people walk on the road",
        "version 1.14 dead link",
        "I have 2 tickets for the drowned world tour",
        "https://t.co/14 dead",
        "call me at 5",
    ],
)
def test_other_numbers_count_nobody(text):
    assert said(text) == {}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stuck at 221 Galle Road please", "221 Galle Road"),
        ("House gone, 12 Main St.", "12 Main St"),
        ("au 12 rue de la Paix, vite", "12 rue de la Paix"),
        ("ayuda en Calle Mayor 5", "Calle Mayor 5"),
        ("socorro, Rua das Flores, 12", "Rua das Flores, 12"),
        ("aiuto in via Roma 3", "via Roma 3"),
        ("Hauptstraße 5 brennt", "Hauptstraße 5"),
        ("вул. Шевченка 5, допоможіть", "вул. Шевченка 5"),
        ("Cumhuriyet Caddesi No:5 enkaz altında", "Cumhuriyet Caddesi No:5"),
        ("Jl. Sudirman No. 5 banjir", "Jl. Sudirman No. 5"),
    ],
)
def test_streets_with_a_number_are_kept_as_they_were_written(text, expected):
    assert said(text)["addresses"] == (expected,)


@pytest.mark.parametrize(
    ("text", "where", "expected"),
    [
        ("call +1 415 555 2671", {}, "+14155552671"),
        ("call 0771234567", {"country": "LK"}, "+94771234567"),
        ("tel 0532 123 45 67", {"language": "tr"}, "+905321234567"),
        ("телефон 067 123 45 67", {"language": "uk"}, "+380671234567"),
        ("whatsapp 0771234567", {}, "0771234567"),
    ],
)
def test_a_phone_has_its_country_code_where_it_is_known(text, where, expected):
    assert said(text, **where)["phones"] == (expected,)


def test_long_numbers_that_nobody_is_called_at_are_no_phones():
    assert said("post 1234567890123 of 2015-11-10 10:20:30, 1234567 views") == {}


def test_of_one_kind_the_largest_counts_and_of_places_to_reach_at_most_five():
    many = " ".join(f"at {n} Galle Road," for n in range(1, 9))
    found = facts_in(f"2 dead here, 9 dead in all. {many}")
    assert found.dead == 9
    assert len(found.addresses) == 5


_PIECES = (
    "14 dead", "3 muertos", "killed 5", "tué 2", "5 tués", "7 décès", "ölü 3", "3 ölü", "4 під завалами", "14人死亡",
    "5 घायल", "مفقودين 3", "5 injured", "12 High Street", "5 rue de la Paix", "Via Roma 3", "Domweg 7", "trapped",
    "Bahnhofstr. 5", "شارع النيل 5", "Cumhuriyet Sok. 5", "12 people", "place", "road", "of", "at", ",", "3", "two",
    "missing:", "5 coincés",
)  # fmt: skip


@given(st.lists(st.sampled_from(_PIECES), max_size=6))
def test_the_quick_looks_at_a_text_lose_nothing(pieces):
    text = " ".join(pieces)
    quick = facts_in(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reported, "_kinds", lambda *_: [*reported._KINDS])
        patch.setattr(reported, "_streets", lambda *_: tuple(range(len(reported._STREETS))))
        assert quick == facts_in(text)


@given(st.text())
def test_any_text_has_facts(text):
    assert isinstance(facts_in(text), Facts)


@given(st.integers(0, 999_999), st.sampled_from(["{} dead", "{:,} people were killed", "death toll: {}", "{} muertos"]))
def test_every_number_is_read_whole(count, form):
    assert facts_in(form.format(count)).dead == count
