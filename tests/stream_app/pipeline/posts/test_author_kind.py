"""Who wrote a post: profiles and sentences of our own, and names that only look like an institution's."""

from __future__ import annotations

import json

import pytest

from stream_app.pipeline.posts.author_kind import is_eyewitness, profile_kind
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.parse import parse_post

OFFICIAL = [
    "Korvale Police Department",
    "Tamsel Fire & Rescue",
    "City of Korvale",
    "Ministry of Health",
    "National Weather Service",
    "Protección Civil Villa Roble",
    "Ayuntamiento de Pinar Alto",
    "Bomberos de Korvale",
    "Préfet du Nord",
    "Sapeurs-pompiers 31",
    "Mairie de Valmont",
    "Polizei Sachsen",
    "Feuerwehr Hamm",
    "Protezione Civile",
    "Comune di Borgo",
    "Defesa Civil RS",
    "Prefeitura de Canoas",
    "ДСНС України",
    "BPBD Jawa Barat",
    "AFAD",
    "وزارة الصحة",
    "東京消防庁",
]
MEDIA = [
    "BBC News",
    "Reuters",
    "Le Monde",
    "El País",
    "ANSA",
    "Al Jazeera English",
    "NHK",
    "Korvale Herald",
    "Channel 4 News",
]
AID = [
    "Croix-Rouge française",
    "Cruz Roja",
    "Red Cross Korvale",
    "UNICEF",
    "MSF",
    "Caritas",
    "Українське Товариство Червоного Хреста",
    "Kızılay",
    "الهلال الأحمر",
    "Banco de Alimentos",
]
NOBODY = [
    "Ana",
    "Police Academy Fan",
    "Fireman Sam",
    "Sofia Cruz",
    "Media Studies",
    "The Times They Are A-Changin",
    "",
    None,
    7,
    "Ministry of Sound fan page",
    "Cityof",
    "Good news only",
    "Red crossbill",
    "Radio silence",
    "AP Physics",
]


@pytest.mark.parametrize(
    ("names", "kind"), [(OFFICIAL, "official"), (MEDIA, "media"), (AID, "aid_group"), (NOBODY, None)]
)
def test_names(names, kind):
    assert [(name, profile_kind(name, None)) for name in names] == [(name, kind) for name in names]


@pytest.mark.parametrize(
    ("domain", "official"),
    [
        ("fema.gov", True),
        ("interior.gob.es", True),
        ("social.bund.de", True),
        ("bmi.gv.at", True),
        ("city.go.jp", True),
        ("gov", False),
        ("governor.example", False),
        ("go.example", False),
        ("mastodon.social", False),
        ("gov.example.org", False),
    ],
)
def test_domains_that_only_governments_have(domain, official):
    assert (profile_kind("Somebody", domain) == "official") is official


@pytest.mark.parametrize(
    ("about", "kind"),
    [
        ("Journalist in Lima. Opinions mine", "media"),
        ("<p>Periodista | madre</p>", "media"),
        ("Mother. Freelance reporter", "media"),
        ("журналістка, Київ", "media"),
        ("former journalist", None),
        ("I hate every journalist", None),
        ("Unofficial. Journalist", None),
    ],
)
def test_what_people_say_of_themselves(about, kind):
    assert profile_kind("Ana", None, about) == kind


@pytest.mark.parametrize("about", ["Parody account", "fan account", "Cuenta no oficial", "not affiliated with anybody"])
def test_a_parody_is_nobody(about):
    assert profile_kind("Korvale Police Department", None, about, "government") is None


WERE_THERE = [
    "We are five people on the roof of the school, water still rising, please help",
    "I'm stuck on the second floor, the river is in our kitchen",
    "Our house was washed away, we have nothing",
    "From my balcony: smoke over the whole hill",
    "I just felt a strong earthquake",
    "Estamos atrapados en el tejado y el agua sube",
    "Desde mi ventana se ven las llamas",
    "Nous sommes bloqués au deuxième étage, envoyez des secours",
    "Je viens de sentir une forte secousse",
    "Unser Keller steht unter Wasser",
    "Wir sitzen auf dem Dach, bitte Hilfe",
    "Siamo bloccati, l'acqua sale",
    "Minha casa foi inundada, água até o teto",
    "Ми під завалами, допоможіть",
    "Наш дом затопило",
    "Rumah kami terendam banjir",
    "Enkaz altındayız, yardım edin",
    "نحن عالقون والمياه ترتفع",
    *(
        f"{said}, water rising"
        for said in (
            "My street is gone",
            "Water in our kitchen",
            "It came into my house",
            "It came through our door",
            "Men at my door",
            "Mud inside our house",
            "Fire outside my window",
            "I can see flames",
            "Nuestra casa se inundó",
            "Estoy bajo escombros",
            "Acabo de ver humo",
            "Acabamos de sentir el temblor",
            "Ma maison est détruite",
            "Notre rue est inondée",
            "Fumée depuis ma fenêtre",
            "Feu de mon balcon",
            "Fogo da minha janela",
            "Acabei de ver",
            "Mein Haus ist zerstört",
            "Rauch aus meinem Fenster",
            "Feuer von meinem Dach",
            "La mia casa è allagata",
            "Nostra casa è crollata",
            "Fumo dalla mia finestra",
            "Dal mio balcone",
            "Ho appena visto",
            "Мы под завалами",
            "Наша вулиця затоплена",
            "Мой дом горит",
            "Мій будинок горить",
            "Дим з мого вікна",
            "Дым из моего окна",
            "Kami terjebak",
            "Air dari jendela saya",
            "Mahsur kaldık",
            "Evim yıkıldı",
            "Evimiz yıkıldı",
            "Penceremden",
            "Balkonumdan",
        )
    ),
]
WERE_NOT = [
    "They are trapped on the roof, water still rising",
    "“We are trapped on the roof”, said a man as the water rose",
    "My heart goes out to everyone in the flood",
    "I saw the news of the earthquake",
    "I heard that the bridge collapsed",
    "If my house was flooding I would leave",
    "The flood spared us, my house is not damaged",
    "We are stuck in a meeting",
    "Familias atrapadas en el tejado",
    "Nous pensons aux victimes de l'inondation",
    "Unser Mitgefühl gilt den Opfern der Flut",
    "",
]


def test_eyewitnesses():
    assert [text for text in WERE_THERE if not is_eyewitness(text)] == []
    assert [text for text in WERE_NOT if is_eyewitness(text)] == []
    assert is_eyewitness("غرق الحي ونحن محاصرون في بيتنا")  # "and we" in one word


V2 = {
    "data": {"id": "1", "text": "Move to higher ground", "author_id": "9", "created_at": "2026-03-14T06:00:00Z"},
    "includes": {"users": [{"id": "9", "username": "x", "name": "X", "verified_type": "government"}]},
}
V1 = {
    "id_str": "1", "created_at": "Sat Mar 14 06:00:00 +0000 2026", "full_text": "Help is on its way",
    "user": {"id_str": "9", "name": "Cruz Roja", "screen_name": "x"},
}  # fmt: skip
MASTODON = {
    "id": "1", "uri": "https://a.example/1", "created_at": "2026-03-14T06:00:00Z", "visibility": "public",
    "content": "<p>Warnung</p>",
    "account": {"id": "1", "acct": "bbk", "display_name": "BBK", "uri": "https://social.bund.de/users/bbk", "note": ""},
}  # fmt: skip
OWN = {"network": "other", "id": "1", "root_id": "1", "created_at": "2026-03-14T06:00:00Z", "text": "Rain"}


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (V2, "official"),
        (V1, "aid_group"),
        (MASTODON, "official"),
        (OWN | {"author": {"key": "a", "kind": "media"}}, "media"),
        (OWN | {"author": {"key": "a", "name": "Feuerwehr Hamm"}}, "official"),
        (OWN | {"author": {"key": "a", "kind": "king"}}, None),
    ],
    ids=["x v2", "x v1.1", "mastodon", "own", "own by name", "own, unknown"],
)
def test_every_network_says_who(line, kind):
    assert parse_post(json.dumps(line).encode()).author.kind == kind


def test_a_profile_outranks_what_its_text_says():
    said = {"text": "We are trapped on the roof, the water rises"}
    enrich = Enricher()
    assert enrich.told(parse_post(json.dumps(OWN | said).encode())).author.kind == "eyewitness"
    official = OWN | said | {"author": {"key": "a", "kind": "official"}}
    assert enrich.told(parse_post(json.dumps(official).encode())).author.kind == "official"
