"""Five languages: every catalogue whole, nothing that the page says outside of them, the right one for who asks."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from model.scorer import LABELS
from stream_app.dashboard.page import LANGUAGES, STATIC, catalogue, language_of, page

SCRIPTS = sorted((STATIC / "js").glob("*.js"))
PAGE = STATIC / "index.html"
HAND_MADE = [each for each in SCRIPTS if each.stem != "reasons"]  # which knows workers' sentences by their English form
CLDR = {
    "en": {"one", "other"},
    "es": {"one", "many", "other"},
    "fr": {"one", "many", "other"},
    "uk": {"one", "few", "many", "other"},
    "ar": {"zero", "one", "two", "few", "many", "other"},
}
"""Plural categories of each language, by Unicode's CLDR."""
LITERAL = re.compile(r'"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`|\'(?:[^\'\\\n]|\\.)*\'')
SENTENCE = re.compile(r"^[A-Z][a-z]+\b(?!/)|[a-z]{2,} [a-z]{2,} [a-z]{2,}")
NO_WORDS = {"use strict", "POST", "HEAD", "Enter", "Escape", "ArrowRight", "ArrowLeft", "Content-Type", "CLOSED"}
"""Names in protocols and of keys that look like words."""


def texts(entry):
    return list(entry.values()) if isinstance(entry, dict) else [entry]


def placeholders(entry):
    return {frozenset(re.findall(r"\{(\w+)\}", text)) for text in texts(entry)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_key_with_its_placeholders_and_plurals(language):
    english, words = catalogue("en"), catalogue(language)
    assert sorted(words) == sorted(english)
    assert [key for key in english if placeholders(words[key]) != placeholders(english[key])] == []
    plurals = {key: set(entry) for key, entry in words.items() if isinstance(entry, dict)}
    assert plurals.keys() == {key for key, entry in english.items() if isinstance(entry, dict)}
    assert {key: each for key, each in plurals.items() if each != CLDR[language]} == {}
    assert [key for key, entry in words.items() if not all(text.strip() for text in texts(entry))] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_label_has_a_name_of_its_own(language):
    for concept, labels in LABELS.items():
        names = {catalogue(language)[f"label.{concept}.{label}"] for label in labels}
        assert len(names) == len(labels)
        assert catalogue(language)[f"concept.{concept}"]


SAME_IN_FRENCH = {"{n} copies", "Incidents", "Latitude", "Longitude", "Note", "Partition {id}", "Photo", "Photo {n}"}


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_no_translation_was_forgotten(language):
    names = {"Bluesky", "Mastodon", *(SAME_IN_FRENCH if language == "fr" else ())}
    english, words = catalogue("en"), catalogue(language)
    same = {text for key in english for text in texts(english[key]) if text in texts(words[key])} - names
    assert [text for text in same if re.search("[a-z]{3}", re.sub(r"\{\w+\}", "", text))] == []


class Said(HTMLParser):
    """What a page says itself: its text, and the attributes that are read out."""

    def __init__(self):
        super().__init__()
        self.found = []
        self._kept = None

    def handle_starttag(self, tag, attributes):
        self._kept = tag if tag in {"script", "kbd", "title", "h1"} else None
        self.found += [value for name, value in attributes if name in {"title", "placeholder", "aria-label", "alt"}]

    def handle_endtag(self, tag):
        self._kept = None

    def handle_data(self, data):
        if not self._kept:
            self.found.append(data)


def test_the_page_says_nothing_of_its_own():
    said = Said()
    said.feed(PAGE.read_text())
    assert [text for text in said.found if re.search(r"\w", re.sub(r"\{\{[\w.]+\}\}", "", text))] == []


@pytest.mark.parametrize("script", HAND_MADE, ids=lambda each: each.stem)
def test_nor_do_the_scripts(script):
    code = re.sub(r"(?<!:)//[^\n]*|/\*.*?\*/", "", script.read_text(), flags=re.DOTALL)
    code = re.sub(r"className: [^,}]+|console\.error\(`[^`]*`\)|^import .*$", "", code, flags=re.MULTILINE)
    said = [re.sub(r"\$\{[^}]*\}", "", found[1:-1]) for found in LITERAL.findall(code)]
    assert [text for text in said if text not in NO_WORDS and SENTENCE.search(text)] == []


def test_every_key_that_is_asked_for_is_there_and_none_is_left_over():
    code = "".join(each.read_text() for each in SCRIPTS)
    fixed = set(re.findall(r'\bt\(\s*"([\w.]+)"', code)) | set(re.findall(r"\{\{([\w.]+)\}\}", PAGE.read_text()))
    begun = re.findall(r"`([a-z_.]+\.)\$\{", code) + re.findall(r'(?:named|table)\("([\w.]+)"', code)
    words = catalogue("en")
    assert fixed - words.keys() == {"lang", "dir", "catalogue", "languages", "notice"}
    assert [start for start in begun if not any(key.startswith(start) for key in words)] == []
    quoted = {text.strip("\"`'") for text in LITERAL.findall(code)} | fixed | {"language"}
    assert [key for key in words if key not in quoted and not key.startswith(tuple(begun))] == []


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        (None, "", "en"),
        (None, "es-MX,es;q=0.9,en;q=0.8", "es"),
        (None, "de-DE,de;q=0.9,uk;q=0.4,en;q=0.3", "uk"),
        (None, "en;q=0.1, fr;q=0.7", "fr"),
        (None, "es;q=0, ar", "ar"),
        (None, "*", "en"),
        (None, "ES;q=1.000", "es"),
        (None, "es;q=nonsense,;;,q=,fr;q=0.5", "fr"),
        ("ar", "en", "ar"),
        ("tlh", "uk", "uk"),
        ("../../etc", "", "en"),
    ],
)
def test_the_address_decides_then_the_browser(asked, accepted, language):
    assert language_of(asked, accepted) == language


async def test_the_server_answers_in_it(make_bench):
    import aiohttp

    async with make_bench().serve() as address, aiohttp.ClientSession() as web:
        async with web.get(f"{address}?lang=ar") as response:
            text = await response.text()
            assert (response.headers["Content-Language"], response.headers["Vary"]) == ("ar", "Accept-Language")
        async with web.get(address, headers={"Accept-Language": "uk"}) as response:
            assert '<html lang="uk" dir="ltr">' in await response.text()
    assert '<html lang="ar" dir="rtl">' in text
    assert catalogue("ar")["skip"] in text
    assert "{{" not in text


def test_no_word_ends_the_catalogues_script():
    inert = page("en").partition('type="application/json">')[2].partition("</script>")[0]
    assert json.loads(inert) == catalogue("en")


def test_the_styles_know_no_left_and_right():
    styles = "".join(Path(each).read_text() for each in sorted((STATIC / "css").glob("*.css")))
    physical = re.findall(
        r"(?:margin|padding|border)-(?:left|right)|text-align: (?:left|right)|[ {;](?:left|right):", styles
    )
    assert physical == []


def test_a_notice_stands_above_all_and_is_plain_text():
    assert '<p class="notice" role="note" dir="auto">Call &lt;b&gt;112&lt;/b&gt;</p>' in page("ar", "Call <b>112</b>")
    assert "notice" not in page("ar").partition("<main")[0].partition("<body>")[2]


@pytest.mark.parametrize("style", ["base", "panels", "card"])
def test_no_rule_of_the_styles_swallows_those_after_it(style):
    text = re.sub(r'"[^"]*"|/\*.*?\*/', "", (STATIC / "css" / f"{style}.css").read_text(), flags=re.DOTALL)
    assert [line for line in text.splitlines() if line.count("(") != line.count(")")] == []
    assert text.count("{") == text.count("}")
