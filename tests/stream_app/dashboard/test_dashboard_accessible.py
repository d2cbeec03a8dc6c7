"""What assistive technology needs, by axe-core's rules (WCAG 2.2 A and AA, good practice), in each state and theme."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from axe_playwright_python.sync_playwright import Axe

from model.scorer import ConceptScore, ModelInfo
from stream_app.dashboard.page import catalogue
from stream_app.dashboard.state import card_id
from stream_app.incidents.emerging import Emerging
from stream_app.pipeline.labelling.describe import review_reasons, unlearned_language
from stream_app.pipeline.posts.post import Post

pytestmark = pytest.mark.browser

BEIRA = {"name": "Beira", "country_code": "MZ", "latitude": -19.84, "longitude": 34.84, "source": "gazetteer"}
PHOTO = {"url": "https://photos.example.org/quay.jpg", "status": "used", "width": 80, "height": 60}
CATEGORIES = (
    "affected_individuals",
    "infrastructure_and_utility_damage",
    "rescue_volunteering_or_donation_effort",
    "other_relevant_information",
    "not_humanitarian",
)
NO_IMAGE = "no usable image: damage is judged from photos"
REASONS = review_reasons(
    {
        "humanitarian": ConceptScore("not_humanitarian", 0.5, {}),
        "damage": ConceptScore("severe_damage", 0.55, {}),
        "request": ConceptScore("no_request", 0.7, {"request": 0.3}),
    },
    {
        "text": {"humanitarian": ConceptScore("not_humanitarian", 0.7, {})},
        "image": {"humanitarian": ConceptScore("affected_individuals", 0.8, {})},
    },
    0.6,
) + unlearned_language(
    Post(network="x", id="1", root_id="1", text="Mayday", language="tlh", created_at=datetime(2026, 3, 14, tzinfo=UTC)),
    ModelInfo("m", "1", "0" * 64, frozenset({"en"})),
)
ENGLISH = [
    "alone",
    "photo",
    "post",
    "posts",
    "likely",
    "unsure",
    "may ask",
    "model",
    "usable",
    "damage",
    "ago",
    "March",
    "eyewitness",
]
CAME = datetime(2026, 3, 14, 9, 26, tzinfo=UTC)
HISTORY = "?until=2026-03-14T09:30Z"
"""The hour in which all posts came."""


def fill(served, make_event, make_incident):
    for number, category in enumerate(CATEGORIES, 1):
        event = make_event(
            number,
            humanitarian=category,
            damage="mild_damage",
            place=BEIRA,
            media=[PHOTO],
            review=True,
            degraded=True,
            post={"author_kind": "eyewitness" if number == 1 else None},
        )
        served.do(lambda state, event=event: state.add_event(event, event.timings.produced_at))
        served.bench.earlier.append((event, CAME))
    for status in ("open", "closed"):
        incident = make_incident(status, status=status, posts=range(1, 6), author_kinds={"eyewitness": 3, "media": 1})
        served.do(lambda state, incident=incident: state.put_incident(incident))
    for kind, term in (("word", "landslide"), ("place", "Beira"), ("photo", "ffee00112233aabb")):
        seen = {"at": CAME - timedelta(days=9), "event_id": "e", "place": "Dhaka"} if kind == "photo" else None
        rising = Emerging(
            id=f"{kind}:{term}",
            kind=kind,
            term=term,
            posts=12,
            authors=9,
            expected=1.4,
            score=7.1,
            since=CAME,
            at=CAME,
            first_seen=seen,
        )
        served.do(lambda state, rising=rising: state.put_emerging(rising.id, rising))
    served.do(lambda state: state.add_dead_letter("parse", "not JSON", event.timings.produced_at))
    served.do(lambda state: state.problems.update({"a": "Kafka is away."}))


def violations(page, part=None):
    """What is broken on the page, or in that part of it."""
    found = Axe().run(page, part, options={"rules": {"target-size": {"enabled": True}}}).response
    looked = {rule["id"] for rule in found["passes"] + found["incomplete"]}
    assert "color-contrast" in looked, "it did look"
    return [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken(browser, served, make_event, make_incident, scheme, width):
    """All there is at once, then what covers it."""
    fill(served, make_event, make_incident)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page.set_default_timeout(12_000)
    page.goto(served.address + HISTORY)
    page.locator("#past-back").wait_for()
    page.locator("#noise").click()
    page.locator(".incident").first.evaluate("node => node.click()")
    page.locator("#scope .words").wait_for()
    for number in (1, 5):
        page.locator(f"[data-id='{card_id('bluesky', f'p{number}')}'] .choose").check()
    page.locator("#bulk button").first.wait_for()
    page.keyboard.press("j")
    page.keyboard.press("w")
    page.locator(".wrong-form").wait_for()
    page.locator(".ask").click()
    page.locator(".moved").first.wait_for()
    assert violations(page) == []
    if width == 390:
        page.locator("#tabs [data-tab=incidents]").click()
    page.locator("#emerging button").first.wait_for()
    page.locator("#work .state").wait_for()
    assert violations(page, "[data-panel=incidents]") == []
    page.locator(".enlarge").first.evaluate("node => node.click()")
    page.locator("#photo img").wait_for()
    assert violations(page, "#photo") == []
    page.locator("#photo form button").last.click()
    page.locator("#help-open").click()
    page.locator("#help .keys").wait_for()
    assert violations(page, "#help") == []
    page.close()


WIDTHS = {"en": 1400, "es": 390, "uk": 1400, "fr": 390, "ar": 1400}


@pytest.mark.parametrize("language", WIDTHS)
def test_nor_in_any_language_and_nothing_is_cut_off(browser, served, make_event, make_incident, language):
    fill(served, make_event, make_incident)
    unsure = make_event(9, review=True, review_reasons=REASONS, post={"created_at": datetime.now(UTC)})
    served.do(lambda state: state.add_event(unsure, unsure.timings.produced_at))
    page = browser.new_page(viewport={"width": WIDTHS[language], "height": 900}, reduced_motion="reduce")
    wrong = []
    page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{served.address}?lang={language}")
    page.locator(".card").first.wait_for()
    page.locator(".incident").nth(1).wait_for(state="attached")
    page.locator(".incident").first.evaluate("node => node.click()")
    page.locator("#work .state").wait_for(state="attached")
    kind = catalogue(language)["author_kind.eyewitness"]
    assert f"{kind} 3" in page.locator(".incident").first.text_content()
    page.locator("#scope button").nth(1).click()
    assert page.locator(".author-kind").all_text_contents() == [kind], "and no word where it is not known"
    page.locator(f"[data-id='{card_id('bluesky', 'p9')}'] footer button").click()
    page.evaluate("document.fonts.ready")
    assert violations(page) == []
    wide = (
        "[...document.querySelectorAll('body, .feed, .incidents, .health')].filter(x => x.scrollWidth > x.clientWidth)"
    )
    assert page.evaluate(f"{wide}.map(x => x.className)") == []
    if language != "en":
        said = page.locator("body").inner_text()
        english = [text for text in ENGLISH if re.search(rf"\\b{re.escape(text)}\\b", said)]
        assert english == [], "what a worker wrote is told in the page's language"
    assert page.evaluate("getComputedStyle(document.body).direction") == ("rtl" if language == "ar" else "ltr")
    assert f"lang={language}" in page.url, "it stays in the address"
    page.close()
    assert wrong == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nor_when_there_is_nothing(browser, served, scheme):
    page = browser.new_page(viewport={"width": 1400, "height": 900}, color_scheme=scheme)
    page.goto(served.address)
    page.locator("#feed[data-empty='No posts yet.']").wait_for()
    assert violations(page) == []
    page.close()


def test_the_rules_do_find_what_is_wrong(browser, served):
    page = browser.new_page()
    page.goto(served.address)
    page.evaluate(
        "button => (button.replaceChildren(), button.removeAttribute('title'))", page.query_selector("#help-open")
    )
    assert [rule for rule, _ in violations(page)] == ["button-name"]
    page.close()
