"""What a text reports in so many words: people dead, injured, missing and trapped, addresses, telephone numbers.

Numbers stand in figures, or as words up to ten. A number belongs to the word it counts: before it with nothing but
people and small words between (``14 people are feared dead``, ``14 kişi öldü``), or right after a word that announces
one (``death toll rises to 14``, ``загинуло 14``). Of several the largest counts. Telephone numbers are those that
Google's library finds valid where the post is, or with a country code; addresses are a street's word with a name and a
number, as they were written.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from functools import cache

from pydantic import Field

from stream_app.pipeline.posts.post import Frozen

_LONGEST = 4_000
"""Characters read: a text without end may not hold up the others."""
_MOST = 5
_WORDS = {
    word: number
    for number, words in enumerate(
        (
            "one un una une um uma uno ein eine bir один",
            "two dos deux dois duas due zwei iki dua два две двоє двое",
            "three tres trois três tre drei üç tiga три троє трое",
            "four cuatro quatre quatro quattro vier dört empat чотири четыре",
            "five cinco cinq cinque fünf beş lima п'ять пять",
            "six seis sei sechs altı enam шість шесть",
            "seven siete sept sete sette sieben yedi tujuh сім семь",
            "eight ocho huit oito otto acht sekiz delapan вісім восемь",
            "nine nueve neuf nove neun dokuz sembilan дев'ять девять",
            "ten diez dix dez dieci zehn sepuluh десять",
        ),
        1,
    )
    for word in words.split()
}
_FIGURE = r"\d{1,3}(?:[,.\u00a0 ]\d{3})+(?!\d)|\d{1,6}(?!\d)"
_FIGURES = re.compile(rf"(?<![\d.,:/#+\w-])(?:{_FIGURE})")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_LETTERS = bytes(code if chr(code) in string.ascii_lowercase else ord(" ") for code in range(256))
"""What is no small letter becomes a space: ten times as fast as a pattern."""
_PEOPLE = (
    r"people|persons?|children|child|kids|villagers|residents|workers|men|women|others|victims|bodies|soldiers|tourists|"
    r"personas|niñ[oa]s|víctimas|personnes|enfants|victimes|pessoas|crianças|vítimas|persone|bambini|vittime|Menschen|"
    r"Personen|kişi(?:nin)?|insan|çocuk|orang|korban|warga|anak|moun|katao|tao|people's|"
    r"люд(?:ей|ини|и)|осіб|особи|діт(?:ей|и)|человек(?:а)?|дет(?:ей|и)|жителей|"
    r"شخص(?:ا|اً)?|أشخاص|طفل(?:ا|اً)?|أطفال|लोग(?:ों)?|人|名"
)
_SMALL = (
    r"are|is|were|was|have|has|been|be|being|feared|reported|confirmed|still|now|more|other|at|least|also|left|"
    r"están|son|fueron|han|sido|resultaron|quedaron|siguen|sont|ont|été|portées|portés|estão|foram|são|ficaram|"
    r"sono|stati|state|rimaste|rimasti|sind|wurden|yang|telah|masih|ang|na|ha|hayatını|enkaz|altında|का|की|के|को|में|से"
)
_BETWEEN = rf"(?:\s*(?:{_PEOPLE}|(?<!\w)(?:{_SMALL})(?!\w))[,]?){{0,5}}\s*"
_DEAD = (
    r"dead|deaths?|died|dies|killed|drowned|perished|bodies|muert[oa]s?|fallecid[oa]s?|ahogad[oa]s|murieron|morts?|"
    r"mortes?|décès|tué[es]*|décédées?|mort[oa]s|óbitos|morreram|mort[ie]|decedut[ie]|Tote[nr]?|getötet|gestorben|ölü|öldü|"
    r"kaybetti|hayatını kaybetti|tewas|meninggal|mouri|patay|nasawi|загиблих|загиблі|загинуло|загинули|погибших|"
    r"погибли|погибло|قتيل(?:ا|اً)?|قتلى|وفاة|وفيات|ضحايا|मौत|मृत|मारे|死亡|死者|遇难"
)
_INJURED = (
    r"injured|wounded|hurt|injuries|herid[oa]s?|lesionad[oa]s|blessé[es]*|ferid[oa]s?|ferit[ie]|Verletzte[nr]?|verletzt|"
    r"yaralı|yaralandı|terluka|luka-luka|blese|sugatan|поранених|поранені|поранено|раненых|пострадавших|постраждалих|"
    r"جريح(?:ا|اً)?|جرحى|مصاب(?:ا|اً)?|घायल|負傷|けが|受伤"
)
_MISSING = (
    r"missing|unaccounted|desaparecid[oa]s?|disparu[es]*|dispers[ie]|Vermisste[nr]?|vermisst|kayıp|hilang|disparèt|nawawala|"
    r"зниклих|зникли|пропавших|пропали|مفقود(?:ا|اً|ين)?|مفقودين|लापता|行方不明|失踪"
)
_TRAPPED = (
    r"trapped|stranded|stuck|buried|marooned|atrapad[oa]s?|soterrad[oa]s|coincé[es]*|piégé[es]*|bloqué[es]*|pres[oa]s|"
    r"ilhad[oa]s|intrappolat[ie]|bloccat[ie]|eingeschlossen|verschüttet|mahsur|enkaz altında|terjebak|tertimbun|bloke|"
    r"заблокован(?:их|і)|під завалами|под завалами|عالق(?:ا|اً|ين|ون)?|محاصر(?:ا|اً|ين)?|फंसे|取り残され|被困"
)
_NOT_PEOPLE = (
    r"(?!\s+(?:fish|trees?|birds?|batter\w*|phones?|cattle|cows?|animals?|whales?|links?|cells?|end|line|sea)\b)"
)
_TOLL = r"death toll|toll|muertos?|fallecidos?|morts?|mortos?|morti|Tote"
_KILLED = (
    r"killed|killing|kills|mató a|tué|matou|ucciso|menewaskan|загинуло|загинули|погибли|погибло|مقتل|وفاة|死亡|死者"
)
_TELLS = (
    rf"(?:{_TOLL})\s*(?::|rises to|climbs to|reaches|at|of|stands at|sube a|asciende a|sobe para|sale a|steigt auf)\s*"
    rf"(?:at least\s+)?|(?:{_KILLED})\s*(?:at least\s+)?"
)
_INJURING = r"injured|injuring|injures|heridos|blessés|feridos|feriti|yaralı|поранено|إصابة|受伤"
_LOST = r"missing|desaparecidos|disparus|dispersi|зникло|فقدان|失踪"
_HELD = r"trapped|atrapados|intrappolati"
_KINDS = {
    "dead": (f"{_DEAD}|{_TOLL}|{_KILLED}", _DEAD, _TELLS),
    "injured": (f"{_INJURED}|{_INJURING}", _INJURED, rf"(?:{_INJURING})\s*:?\s*"),
    "missing": (f"{_MISSING}|{_LOST}", _MISSING, rf"(?:{_LOST})\s*:\s*"),
    "trapped": (f"{_TRAPPED}|{_HELD}", _TRAPPED, rf"(?:{_HELD})\s*:\s*"),
}
"""Of each kind all its words, those that follow a number, and what stands before one."""
_COUNTED = {
    kind: re.compile(rf"{_BETWEEN}(?:{words})(?![\w-]){_NOT_PEOPLE}", re.IGNORECASE)
    for kind, (_, words, _) in _KINDS.items()
}
"""What follows a number that counts."""
_ANNOUNCED = {kind: re.compile(rf"(?<!\w)(?:{words})$", re.IGNORECASE) for kind, (_, _, words) in _KINDS.items()}
"""What stands right before one."""
_BACK = 40
_LITERAL = re.compile(r"[^\W\d_]{1,4}")
_BEGIN = {
    kind: frozenset(match[0].lower() for word in re.split(r"[|(]", words) if (match := _LITERAL.match(word)))
    for kind, (words, _, _) in _KINDS.items()
}
"""The first letters, at most four, of the words of each kind: a text without any of them is not searched for it."""
_UNSPACED = re.compile("[\u0900-\u097f\u3040-\u30ff\u4e00-\u9fff]")

_NAME = r"[^\W\d_][\w'’.-]*"
_STREETS = (
    (
        "road rd street st avenue ave lane ln drive dr boulevard blvd court ct place pl way highway hwy square mawatha",
        (
            r"(?<![\w])\d{1,5}[A-Za-z]?(?:/\d{1,4})?,?\s+(?:(?:(?-i:[A-Z])|\d{1,3}(?:st|nd|rd|th)\b)[\w'’.-]*\s+){1,4}"
            r"(?:Road|Rd|Street|St|Avenue|Ave|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Highway|Hwy|Square|"
            r"Mawatha)\b\.?"
        ),
    ),
    (
        "rue avenue boulevard chemin place allée quai",
        (
            r"(?<!\w)\d{1,5},?\s+(?:rue|avenue|boulevard|chemin|place|allée|quai)\s+"
            rf"(?:d[eu]s?\s+|de la\s+|d['’]|l['’])?{_NAME}(?:\s+(?-i:[A-ZÀ-Ý])[\w'’-]*){{0,3}}"
        ),
    ),
    (
        (
            "calle avenida av carrera plaza rua travessa praça via viale corso piazza jl jalan lri вул вулиця просп "
            "пров ул улица пр"
        ),
        (
            rf"(?<!\w)(?:calle|avenida|av\.|carrera|plaza|rua|travessa|praça|via|viale|corso|piazza|jl\.?|jalan|lri|"
            rf"вул\.?|вулиця|просп\.?|пров\.?|ул\.?|улица|пр\.?)\s+(?:{_NAME},?\s+){{1,4}}"
            r"(?:(?:no|nº|n°|núm|num|number|nomor|д|буд)\.?\s*:?\s*)?\d{1,5}\w?(?!\w)"
        ),
    ),
    (
        "caddesi cad sokağı sokak sk sok mahallesi mah bulvarı",
        (
            r"(?<!\w)(?:(?-i:[A-ZÇĞİÖŞÜ])[\w'’.-]*\s+){1,3}"
            r"(?:Caddesi|Cad\.|Sokağı|Sokak|Sk\.|Sok\.|Mahallesi|Mah\.|Bulvarı)(?:,?\s+(?:no\s*[:.]?\s*)?\d{1,5}\w?(?!\w))?"
        ),
    ),
    (
        "",
        r"(?<!\w)(?-i:[A-ZÄÖÜ])[\wäöüß-]*(?:straße|strasse|str\.|weg|platz|gasse)\s+\d{1,5}[a-z]?(?!\w)",
    ),
    ("شارع", rf"(?<!\w)شارع\s+{_NAME}(?:\s+{_NAME}){{0,2}}(?:\s+\d{{1,5}})?"),
)
"""How streets are written, and a word that each has; the German ones have an end of a word instead."""
_STREETS_OF = {
    word: {number for number, (called, _) in enumerate(_STREETS) if word in called.split()}
    for words, _ in _STREETS
    for word in words.split()
}
_GERMAN, _GERMAN_ENDS = 4, ("straße", "strasse", "str.", "weg", "platz", "gasse")
_DIGIT = re.compile(r"\d")
_DIGITS = re.compile(r"\d(?:[\s().-]?\d){6}")
_CALLED = re.compile(
    r"(?:call|phone|tel|mobile|whatsapp|contact|ring|llam\w*|teléfono|appele\w*|téléphone|ligue\w*|telefon\w*|"
    r"тел|звон\w*|дзвон\w*|hubungi|ara\w*|اتصل\w*|هاتف|رقم)\W{0,4}(?:\w+\W+){0,2}?(\+?\d(?:[\s().-]?\d){6,13})(?!\d)",
    re.IGNORECASE,
)
_REGION_OF = {
    "uk": "UA",
    "tr": "TR",
    "id": "ID",
    "it": "IT",
    "ht": "HT",
    "tl": "PH",
    "ja": "JP",
    "ne": "NP",
    "bn": "BD",
}
"""Where a number without country code is likely from, by the language of a text without a place."""


class Facts(Frozen):
    """What a text says of people in figures, and where they can be reached. What it does not say is null or empty."""

    dead: int | None = Field(None, description="people said to be dead")
    injured: int | None = None
    missing: int | None = None
    trapped: int | None = Field(None, description="trapped, stranded or buried")
    addresses: tuple[str, ...] = Field((), description="streets with a number, as they were written; at most 5")
    phones: tuple[str, ...] = Field((), description="telephone numbers, with country code where it is known; at most 5")


NO_FACTS = Facts()
"""Those of most texts."""


def facts_in(text: str, *, country: str | None = None, language: str | None = None) -> Facts:
    """The facts of a text.

    ``country`` (ISO 3166-1 alpha-2), or else ``language``, says how a telephone number without country code is read.
    """
    text = text[:_LONGEST]
    low = text.lower()
    words = _words(low)
    digit, spelled = _DIGIT.search(text), not _WORDS.keys().isdisjoint(words)
    if not (digit or spelled):
        return NO_FACTS
    counts = _counts(text, _kinds(low, words), spelled=spelled)
    addresses = _addresses(text, _streets(low, words)) if digit else ()
    phones = _phones(text, country or _REGION_OF.get(language or "")) if digit else ()
    return Facts(**counts, addresses=addresses, phones=phones) if counts or addresses or phones else NO_FACTS


def _words(low: str) -> list[str]:
    """The words of a text in small letters; the quick way cuts them at apostrophes too."""
    return low.encode().translate(_LETTERS).decode().split() if low.isascii() else _WORD.findall(low)


def _kinds(low: str, words: list[str]) -> list[str]:
    """What a text may count: quick, and wrong in one direction only."""
    begin = {word[:4] for word in words}
    if not low.isascii():
        if _UNSPACED.search(low):
            return [*_KINDS]
        begin.update([word[:3] for word in words], [word[:2] for word in words])
    return [kind for kind, first in _BEGIN.items() if not first.isdisjoint(begin)]


def _streets(low: str, words: list[str]) -> tuple[int, ...]:
    """Which of :data:`_STREETS` a text may have: as quick and as wrong."""
    found = {number for word in _STREETS_OF.keys() & words for number in _STREETS_OF[word]}
    if any([end in low for end in _GERMAN_ENDS]):  # noqa: C419 - faster
        found.add(_GERMAN)
    return tuple(sorted(found))


def _counts(text: str, kinds: list[str], *, spelled: bool) -> dict[str, int]:
    """The largest number of each kind; one that counts what follows it is not that of what stands before it."""
    counts: dict[str, int] = {}
    if not kinds:
        return counts
    numbers = [(match.start(), match.end(), _value(match[0])) for match in _FIGURES.finditer(text)]
    if spelled:
        told = ((match.start(), match.end(), _WORDS.get(match[0].lower())) for match in _WORD.finditer(text))
        numbers += [(start, end, value) for start, end, value in told if value is not None]
    for start, end, value in numbers:
        kind = next((kind for kind in kinds if _COUNTED[kind].match(text, end)), None)
        if kind is None:
            before = max(0, start - _BACK)
            kind = next((kind for kind in kinds if _ANNOUNCED[kind].search(text, before, start)), None)
        if kind is not None:
            counts[kind] = max(value, counts.get(kind, 0))
    return counts


def _value(number: str) -> int:
    return int(re.sub(r"\D", "", number))


def _addresses(text: str, streets: tuple[int, ...]) -> tuple[str, ...]:
    if not streets:
        return ()
    found = (" ".join(match[0].split()).strip(" ,.") for match in _written(streets).finditer(text))
    return tuple(dict.fromkeys(found))[:_MOST]


@cache
def _written(streets: tuple[int, ...]) -> re.Pattern[str]:
    return re.compile("|".join(_STREETS[number][1] for number in streets), re.IGNORECASE)


def _phones(text: str, region: str | None) -> tuple[str, ...]:
    if not _DIGITS.search(text):
        return ()
    return tuple(dict.fromkeys(_numbers(text, region)))[:_MOST]


def _numbers(text: str, region: str | None) -> Iterator[str]:
    import phonenumbers as phones

    ends = []
    for match in phones.PhoneNumberMatcher(text, region):
        ends.append((match.start, match.end))
        yield phones.format_number(match.number, phones.PhoneNumberFormat.E164)
    for called in _CALLED.finditer(text):
        if not any(start < called.end(1) and called.start(1) < end for start, end in ends):
            yield re.sub(r"[^\d+]", "", called[1])
