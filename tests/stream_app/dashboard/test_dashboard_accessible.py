"""What assistive technology needs, by axe-core's rules (WCAG 2.2 A and AA, good practice), in each state and theme."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from axe_playwright_python.sync_playwright import Axe

from model.scorer import ConceptScore, ModelInfo
from stream_app.dashboard.state import card_id
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
]
STATES = {
    "feed": "",
    "post, judging": "j w",
    "help": "?",
    "photo": "click .enlarge",
    "incident and noise": "click .incident",
}


def fill(served, make_event, make_incident):
    for number, category in enumerate(CATEGORIES, 1):
        event = make_event(
            number, humanitarian=category, damage="mild_damage", place=BEIRA, media=[PHOTO], review=True, degraded=True
        )
        served.do(lambda state, event=event: state.add_event(event, event.timings.produced_at))
    for status in ("open", "closed"):
        incident = make_incident(status, status=status)
        served.do(lambda state, incident=incident: state.put_incident(incident))
    served.do(lambda state: state.add_dead_letter("parse", "not JSON", event.timings.produced_at))
    served.do(lambda state: state.problems.update({"a": "Kafka is away."}))


def violations(page):
    found = Axe().run(page, options={"rules": {"target-size": {"enabled": True}}}).response
    looked = {rule["id"] for rule in found["passes"] + found["incomplete"]}
    assert "color-contrast" in looked, "it did look"
    return [(rule["id"], node["html"][:200]) for rule in found["violations"] for node in rule["nodes"]]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("width", [390, 1400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_rule_is_broken(browser, served, make_event, make_incident, scheme, width, state):
    fill(served, make_event, make_incident)
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce")
    page.goto(served.address)
    page.locator(".card").first.wait_for()
    page.locator(".incident").nth(1).wait_for(state="attached")
    deed, _, target = STATES[state].partition(" ")
    if deed == "click":
        page.locator(target).first.evaluate("node => node.click()")
        page.locator("#photo img, #scope .words").first.wait_for()
    else:
        for key in STATES[state].split():
            page.keyboard.press(key)
    assert violations(page) == []
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
    page.locator("#scope button").nth(1).click()
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
