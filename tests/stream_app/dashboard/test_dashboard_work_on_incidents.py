"""Officers at two browsers work on the same incidents. Also fails on a console error or a foreign request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from stream_app.decisions.act import Claim, Correct, Decision, Merge, Mute, SetStatus

pytestmark = pytest.mark.browser


@pytest.fixture
def open_page(browser, served):
    wrong, contexts = [], []

    def open_one(width=1400):
        context = browser.new_context(viewport={"width": width, "height": 900})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda said: wrong.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(served.address) else wrong.append(asked.url))
        page.goto(served.address)
        page.told = wrong
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert wrong == []


@pytest.fixture
def two(served, make_incident):
    served.do(lambda state: state.put_incident(make_incident("a", title="one", post_count=8)))
    served.do(lambda state: state.put_incident(make_incident("b", title="two", post_count=3, posts=[2, 3])))


def test_what_one_officer_does_the_other_sees(open_page, served, two):
    mine, theirs = open_page(), open_page()
    mine.locator("[data-incident=a]").click()
    work = mine.locator("#work")
    expect(work.locator(".state")).to_have_text("New · nobody has it yet")
    work.get_by_label("Your name").fill("ada")
    work.get_by_role("button", name="I have this").click()
    expect(theirs.locator("[data-incident=a] .worked")).to_have_text("ada")
    work.get_by_label("Status").select_option("Being checked")
    expect(theirs.locator("[data-incident=a] .worked")).to_have_text("Being checked · ada")
    work.get_by_text("Assign, merge, split, place").click()
    work.get_by_label("Merge into").select_option("b")
    work.get_by_role("button", name="Merge").click()
    expect(theirs.locator(".incident")).to_have_count(1)
    theirs.locator("[data-incident=b]").click()
    others = theirs.locator("#work")
    expect(others.locator(".log")).to_contain_text("ada merged it into Beira")
    others.get_by_text("Assign, merge, split, place").click()
    others.get_by_label("Place", exact=True).fill("Dondo")
    others.get_by_label("Latitude").fill("-19.6")
    others.get_by_label("Longitude").fill("34.74")
    others.get_by_role("button", name="Correct").click()
    expect(mine.locator("[data-incident=b]")).to_contain_text("Dondo")
    others.get_by_role("button", name="Mute").click()
    expect(others.locator(".state")).to_contain_text("muted")
    others.get_by_label("Status").select_option("False")
    expect(mine.locator(".incident")).to_have_count(0)
    mine.get_by_role("button", name="1 false or closed: show").click()
    expect(mine.locator(".incident .worked")).to_contain_text("False")
    log = others.locator(".log li", has_text="merged it")
    log.get_by_role("button", name="Take this back").click()
    expect(mine.locator(".incident")).to_have_count(2)
    expect(log.first).to_contain_text("took back: ada merged it")
    kinds = [type(each.act) for each in served.bench.decisions]
    assert kinds[2:6] == [Merge, Correct, Mute, SetStatus]


def test_what_one_types_is_not_swept_away_by_what_others_do(open_page, served, two, make_incident):
    page = open_page()
    page.locator("[data-incident=a]").click()
    note = page.locator("#work").get_by_label("Note")
    note.fill("half a sen")
    served.do(lambda state: state.put_incident(make_incident("a", version=2, severity="minor")))
    expect(page.locator("[data-incident=a]")).to_contain_text("Minor")
    assert note.input_value() == "half a sen"
    note.press("Enter")
    expect(page.locator("#work .log")).to_contain_text("noted: half a sen")
    assert note.input_value() == ""


def test_a_refused_act_is_told(open_page, served, two):
    page = open_page()
    page.locator("[data-incident=a]").click()
    page.locator("#work .claim").wait_for()
    page.route("**/decisions", lambda route: route.fulfill(status=503, body="Kafka did not take it"))
    page.locator("#work .claim").click()
    expect(page.locator("#toast")).to_have_text("Kafka did not take it")
    page.told.remove("Failed to load resource: the server responded with a status of 503 (Service Unavailable)")


def test_hostile_words_in_acts_stay_text(open_page, served, two):
    page = open_page()
    page.locator("[data-incident=a]").click()
    hostile = "<img src=x onerror=\"document.title='owned'\">"
    page.locator("#work").get_by_label("Your name").fill(hostile)
    page.locator("#work").get_by_label("Note").fill(hostile)
    page.locator("#work").get_by_role("button", name="Add").click()
    expect(page.locator("#work .log li")).to_contain_text(hostile)
    expect(page).to_have_title("crisis-stream")


def test_incidents_that_changed_since_the_last_look_are_marked(open_page, served, two, make_incident):
    page = open_page()
    expect(page.locator(".incident")).to_have_count(2)
    expect(page.locator(".incident .new")).to_have_count(0)
    page.evaluate("dispatchEvent(new Event('pagehide'))")  # by itself it may come as late as the next page
    later = datetime.now(UTC) + timedelta(minutes=1)
    served.do(lambda state: state.add_decision(Decision(incident="a", act=Claim(), by="bo", at=later)))
    page.goto(served.address)
    expect(page.locator(".incident", has=page.locator(".new"))).to_contain_text("bo")
    expect(page.locator(".incident .new")).to_have_count(1)


def test_a_photo_marked_as_sensitive_is_fetched_and_shown_when_somebody_asks(open_page, served, make_event):
    photo = {"url": "https://photos.example.org/quay.jpg", "status": "used", "width": 80, "height": 60}
    event = make_event(1, media=[photo], post={"sensitive": True})
    served.do(lambda state: state.add_event(event, datetime.now(UTC)))
    page = open_page()
    veil = page.get_by_role("button", name="Sensitive photo: show")
    expect(veil).to_be_visible()
    assert (page.locator(".card img").count(), served.bench.fetcher.asked) == (0, [])
    veil.click()
    expect(page.locator(".card img")).to_be_visible()
    page.get_by_role("button", name="Why, verdict").click()
    expect(page.locator(".card img")).to_be_visible()
