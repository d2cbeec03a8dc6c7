"""What assistive technology needs, by axe-core's rules (WCAG 2.2 A and AA, good practice), in each state and theme."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe

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
