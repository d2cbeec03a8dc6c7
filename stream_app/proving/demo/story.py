"""What the demo tells: a river rises, bursts its banks and falls, told in three languages. Everything is invented."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

START = datetime(2026, 3, 14, 6, 0, tzinfo=UTC)
PLACES = (
    ("Korvale", "NZ", -41.42, 173.96),
    ("Upper Tamsel", "NZ", -41.47, 173.88),
    ("Marrow Bay", "NZ", -41.36, 174.02),
)
"""Name, country, latitude and longitude in degrees, WGS 84; three towns on one river, none of which is there."""


class Told(NamedTuple):
    """One thing that somebody says: its language, the scene of a photo that suits it, or none, and the text."""

    language: str
    scene: str
    text: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story: when it begins, how busy it is, how much of it is other talk, and what to look at."""

    name: str
    begins: datetime
    busy: float
    chatter: float
    look: str
    told: tuple[Told, ...]


def _after(minutes: int) -> datetime:
    return START + timedelta(minutes=minutes)


CHAPTERS = (
    Chapter(
        "before",
        START,
        1.0,
        0.75,
        "an ordinary morning: what is not informative is folded away",
        (
            Told("en", "", "Third day of rain in {place}, the river is the colour of coffee"),
            Told("es", "", "Tercer día de lluvia en {place}, el río Tamsel baja crecido"),
            Told("fr", "", "Il pleut sans arrêt à {place}, la rivière monte doucement"),
        ),
    ),
    Chapter(
        "warning",
        _after(60),
        1.2,
        0.4,
        "warnings come in: the first incident appears on the left",
        (
            Told("en", "", "Flood warning for {place}: the Tamsel rises {n} cm an hour, move to higher ground now"),
            Told("en", "street", "Water is coming over the road in {place}, {n} families told to leave their homes"),
            Told("es", "", "Alerta roja por inundación en {place}: evacúen las zonas bajas ahora"),
            Told("es", "street", "El agua ya entra en las calles de {place}, la policía evacúa a {n} vecinos"),
            Told("fr", "", "Alerte crue à {place} : quittez les maisons près de la rivière immédiatement"),
            Told("fr", "street", "L'eau envahit les rues de {place}, {n} habitants évacués"),
        ),
    ),
    Chapter(
        "peak",
        _after(120),
        2.0,
        0.12,
        "people ask for help and are missing: they stand on top; open one, enlarge its photo, claim the incident",
        (
            Told("en", "flood", "Water is over the windows in {place}, families wait on roofs, please send boats"),
            Told(
                "en", "", "We are {n} people on the roof of the school in {place}, water still rising, please help us"
            ),
            Told(
                "en",
                "flood",
                "The bridge at {place} has been swept away, {n} houses destroyed, the hospital is cut off",
            ),
            Told(
                "en", "slide", "Mudslide behind the church in {place}, houses are buried, people trapped under the mud"
            ),
            Told("en", "", "An elderly couple and a boy are missing in {place} since the wave came, {n} injured"),
            Told(
                "es", "flood", "Casas destruidas por el río en {place}, hay familias en los tejados, necesitamos ayuda"
            ),
            Told("es", "", "Estamos atrapados {n} personas en {place}, el agua llega al segundo piso, por favor ayuda"),
            Told("es", "slide", "Un alud ha sepultado varias casas en {place}, hay desaparecidos y {n} heridos"),
            Told("fr", "flood", "Des maisons emportées à {place}, des familles sur les toits, envoyez des secours"),
            Told("fr", "", "Nous sommes bloqués au deuxième étage à {place} avec {n} enfants, aidez-nous"),
            Told("fr", "slide", "Glissement de terrain à {place}, {n} blessés, des personnes sous les décombres"),
            Told("en", "boat", "Volunteers with boats took {n} people from their roofs in {place}, more boats needed"),
            Told("es", "boat", "Los bomberos rescatan en barca a {n} vecinos de {place}"),
        ),
    ),
    Chapter(
        "aftermath",
        _after(240),
        1.2,
        0.3,
        "rescue and shelter, and photos of mild damage beside severe: close what is over",
        (
            Told(
                "en", "wreck", "The water is falling in {place}: mud and broken furniture in the streets, roofs damaged"
            ),
            Told("en", "aid", "Drop off blankets, water and baby food for {place} at the town hall"),
            Told("en", "camp", "{n} families from {place} sleep in the sports hall tonight, they lost everything"),
            Told("es", "wreck", "Baja el agua en {place}: barro, tejas rotas y muebles en la calle"),
            Told("es", "aid", "Recogemos mantas y agua para {place} en el polideportivo"),
            Told("fr", "wreck", "L'eau se retire à {place} : boue, toits abîmés, meubles dans la rue"),
            Told("fr", "camp", "{n} familles de {place} sont hébergées au gymnase ce soir"),
            Told("en", "boat", "Rescue teams reached the last farms at {place}, {n} people brought out alive"),
        ),
    ),
)
END = _after(360)

CHATTER = (
    Told("en", "cat", "My cat has decided that the keyboard is hers, day {n}"),
    Told("en", "food", "Lunch of champions, recipe number {n} in the thread"),
    Told("en", "beach", "Nothing beats a quiet morning by the sea, {n} shells found"),
    Told("es", "food", "Café nuevo en la esquina, {n} tipos de tarta, que alguien me pare"),
    Told("fr", "cat", "On l'a adopté aujourd'hui, {n} semaines, des idées de nom ?"),
    Told("en", "beach", "Weekend plans: sun, book, repeat. {n} pages to go"),
    Told("fr", "", "Qui regarde le match ce soir ? Je dis {n} buts"),
    Told("es", "", "Examen número {n} hecho, ahora a dormir"),
)
TOUR = (
    "A demo: the river Tamsel floods three towns; all of it is invented, and takes three minutes. Watch the incidents "
    "grow. Pleas for help stand on top. Click an incident to see its posts and where it is; press ? for help."
)
"""What the dashboard says first of all."""


def chapter_at(when: datetime) -> Chapter:
    """The chapter that is told at ``when``."""
    return next((each for each in reversed(CHAPTERS) if each.begins <= when), CHAPTERS[0])
