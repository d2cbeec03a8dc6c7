"""The page in a real browser. Every test also fails on a console error, a failed or a foreign request."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from stream_app.feedback.verdict import Verdict
from stream_app.pipeline.events.event import Label

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
BEIRA = {"name": "Beira", "country_code": "MZ", "latitude": -19.84, "longitude": 34.84, "source": "gazetteer"}
PHOTO = {"url": "https://photos.example.org/quay.jpg", "status": "used", "width": 80, "height": 60}


def show(served, *events):
    served.do(lambda state: [state.add_event(event, NOW) for event in events])


def cards(page):
    return page.locator(".card")


def test_a_live_event_appears_with_its_labels(page, served, make_event):
    page.goto(served.address)
    expect(page.locator("#status-text")).to_have_text("Live")
    expect(page.locator("#feed")).to_have_attribute("data-empty", "No posts yet.")
    show(served, make_event(1, text="The bridge is down", humanitarian="infrastructure_and_utility_damage"))
    card = cards(page)
    expect(card).to_contain_text("The bridge is down")
    expect(card.locator(".chip").first).to_have_text("Infrastructure damage90%")
    expect(page.locator("#counters")).to_contain_text("Posts1")


def test_who_asks_for_help_is_seen_to(page, served, make_event):
    event = make_event(1, text="We are on the roof, send a boat", humanitarian="affected_individuals")
    asks = Label(label="request", probability=0.78, probabilities={"request": 0.78, "no_request": 0.22})
    show(served, event.model_copy(update={"labels": event.labels.model_copy(update={"request": asks})}))
    page.goto(served.address)
    expect(cards(page).locator(".chip").first).to_have_text("Asks for help78%")
    page.get_by_role("button", name="Why, verdict").click()
    expect(page.locator(".distribution", has_text="Request").locator(".chosen")).to_contain_text("Asks for help")


def test_newest_first_and_copies_are_counted_on_the_root(page, served, make_event):
    show(served, make_event(1, text="first"), make_event(2, text="second"))
    page.goto(served.address)
    expect(cards(page).first).to_contain_text("second")
    show(served, make_event(3, root=1), make_event(4, root=1))
    expect(page.locator(".card", has_text="first")).to_contain_text("2 copies")
    expect(cards(page)).to_have_count(2)


HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def test_hostile_text_stays_text_everywhere(page, served, make_event, make_incident):
    event = make_event(
        1,
        text=HOSTILE,
        place={**BEIRA, "name": HOSTILE},
        media=[{**PHOTO, "status": "failed", "reason": HOSTILE}],
        degraded=True,
        degraded_reasons=[HOSTILE],
        review=True,
        post={"language": HOSTILE, "url": "javascript:document.title='owned'", "kind": "quote"},
    )
    show(served, event)
    served.do(lambda state: state.put_incident(make_incident(HOSTILE, title=HOSTILE, category=HOSTILE)))
    served.do(lambda state: state.add_dead_letter(HOSTILE, HOSTILE, NOW))
    page.goto(served.address)
    expect(cards(page).locator(".text")).to_have_text(HOSTILE)
    expect(page.locator(".place-name")).to_contain_text(HOSTILE)
    cards(page).get_by_role("button", name="Why, verdict").click()
    expect(page.locator(".note")).to_contain_text(HOSTILE)
    expect(page.locator(".dead")).to_contain_text(HOSTILE)
    expect(page).to_have_title("crisis-stream")
    assert page.locator("img[src=x], a[href^=javascript]").count() == 0


def test_filters_work_live_in_the_address_and_after_a_reload(page, served, make_event):
    show(
        served,
        make_event(1, text="sure", humanitarian="affected_individuals", probability=0.95, place=BEIRA),
        make_event(2, text="unsure", humanitarian="affected_individuals", probability=0.5),
        make_event(3, text="other", review=True),
        make_event(4, text="portuguese", post={"language": "pt"}, degraded=True),
    )
    page.goto(served.address)
    expect(cards(page)).to_have_count(4)
    page.get_by_label("Category").select_option("People affected")
    expect(cards(page)).to_have_count(2)
    page.locator("[name=min]").fill("80")
    expect(cards(page).locator(".text")).to_have_text(["sure"])
    expect(page).to_have_url(re.compile(r"humanitarian=affected_individuals&min=80"))
    page.reload()
    expect(cards(page)).to_have_count(1)
    expect(page.get_by_label("Category")).to_have_value("affected_individuals")
    show(served, make_event(5, text="late comer", humanitarian="affected_individuals"), make_event(6, text="not this"))
    expect(cards(page)).to_have_count(2)
    page.get_by_role("button", name="Clear").click()
    expect(cards(page)).to_have_count(6)
    page.go_back()
    expect(cards(page)).to_have_count(2)


WANTED = {
    "?q=BRIDGE": "the bridge",
    "?place=beira": "located",
    "?place=mozambique": "located",
    "?place=mz": "located",
    "?language=pt": "a ponte",
    "?review=on": "review",
    "?degraded=on": "degraded",
    "?damage=severe_damage": "wreck",
    "?damage=severe_damage&min=80": "wreck",
    "?informativeness=not_informative": "noise",
    "?incident=i1": "member",
    "?at=-19.84,34.84": "located",
    "?q=beira": "located",
    "?q=severe dam": "wreck",
}


def test_each_filter_picks_its_own(page, served, make_event, make_incident):
    show(
        served,
        make_event(1, text="the bridge"),
        make_event(2, text="located", place=BEIRA),
        make_event(3, text="a ponte", post={"language": "pt"}),
        make_event(4, text="review", review=True),
        make_event(5, text="degraded", degraded=True),
        make_event(6, text="wreck", damage="severe_damage"),
        make_event(7, text="noise", humanitarian="not_humanitarian"),
        make_event(8, text="member"),
    )
    served.do(lambda state: state.put_incident(make_incident(posts=[8])))
    page.goto(served.address)
    expect(cards(page)).to_have_count(7)
    go = "query => (history.pushState(null, '', query), dispatchEvent(new PopStateEvent('popstate')))"
    for query, text in WANTED.items():
        page.evaluate(go, query)
        expect(cards(page).locator(".text")).to_have_text([text])
    page.evaluate(go, "?damage=severe_damage&min=85")
    expect(page.locator("#feed")).to_have_attribute("data-empty", "No post matches the filters.")


def test_map_and_incidents(page, served, make_event, make_incident):
    show(served, *(make_event(number, place=BEIRA) for number in range(1, 4)), make_event(9, text="elsewhere"))
    served.do(lambda state: state.put_incident(make_incident(posts=[1])))
    page.goto(served.address)
    expect(page.locator(".spot")).to_have_text("3")
    expect(page.locator("path.ring-severe")).to_have_count(1)
    assert page.locator("path.country").count() > 200
    row = page.locator(".incident")
    expect(row).to_contain_text("Beira, Mozambique")
    expect(row).to_contain_text("8 posts")
    row.click()
    expect(cards(page)).to_have_count(1)
    expect(page.locator(".support")).to_contain_text("post 1")
    expect(row).to_have_attribute("aria-pressed", "true")
    row.click()
    page.locator(".spot").click()
    expect(cards(page)).to_have_count(3)
    served.do(lambda state: state.drop_incident("i1"))
    expect(row).to_have_count(0)


def test_photos_come_through_the_server_only(page, served, make_event):
    show(served, make_event(1, media=[PHOTO]))
    page.goto(served.address)
    expect(page.locator(".photos img")).to_have_js_property("naturalWidth", 80)
    assert served.bench.fetcher.asked == [PHOTO["url"]]


def test_a_photo_that_changed_since_is_said_to_have(page, served, make_event):
    show(served, make_event(1, media=[{**PHOTO, "sha256": "6" * 64}]))
    page.goto(served.address)
    expect(page.locator(".photos .missing")).to_contain_text("Changed since")
    expect(page.locator(".photos img")).to_have_count(0)


def test_what_the_label_was_judged_from_is_said_and_no_weight_that_moved_nothing(page, served, make_event):
    show(served, make_event(1, media=[PHOTO], damage="severe_damage"))
    page.goto(served.address)
    cards(page).get_by_role("button", name="Why, verdict").click()
    expect(page.locator(".details")).to_contain_text("Judged from text and photo together.")
    expect(page.locator(".distribution .chosen")).to_have_count(3)
    expect(page.locator(".card")).not_to_contain_text("Attention")


def test_what_moved_a_label_is_asked_for_and_shown(page, served, make_event):
    text = "<b>🌊 the bridge collapsed</b>"
    show(served, make_event(1, text=text, humanitarian="infrastructure_and_utility_damage", media=[PHOTO]))
    page.goto(served.address)
    cards(page).get_by_role("button", name="Why, verdict").click()
    page.get_by_role("button", name="What moved the labels?").click()
    moved = page.locator(".moved", has_text="Infrastructure damage (90%)")
    expect(moved.locator("mark")).to_have_text("collapsed</b>")
    expect(moved.locator("tr", has_text="without Text")).to_contain_text("-88%")
    expect(moved).not_to_contain_text("Photo")
    page.get_by_role("button", name="Less").click()
    page.route("**/why", lambda route: route.fulfill(json={"problem": "other_model"}))
    cards(page).get_by_role("button", name="Why, verdict").click()
    page.get_by_role("button", name="What moved the labels?").click()
    expect(page.locator(".reasons-asked")).to_contain_text("Another model labelled this post")


def test_a_place_without_a_name_is_told_by_its_position(page, served, make_event):
    show(served, make_event(1, place={**BEIRA, "name": None, "country_code": None, "source": "point"}))
    page.goto(served.address)
    expect(page.locator(".card .place")).to_have_text("19.84° S, 34.84° E")
    page.locator(".spot").click()
    expect(cards(page)).to_have_count(1)


def test_the_keyboard_is_enough(page, served, make_event):
    show(served, *(make_event(number, text=f"post {number}") for number in range(1, 6)))
    page.goto(served.address)
    expect(cards(page)).to_have_count(5)
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(".card:focus")).to_contain_text("post 4")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(".card:focus")).to_have_attribute("data-open", "true")
    page.keyboard.press("c")
    expect(page.locator("#toast")).to_contain_text("Verdict recorded")
    expect(page.locator(".card:focus")).to_have_attribute("data-open", "false")
    page.keyboard.press("/")
    page.keyboard.type("post 3")
    expect(cards(page)).to_have_count(1)
    page.keyboard.press("Escape")
    page.keyboard.press("x")
    expect(cards(page)).to_have_count(5)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    before = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.keyboard.press("t")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != before


def test_nothing_moves_under_a_readers_eyes(page, served, make_event):
    show(served, make_event(1, text="reading this"))
    page.goto(served.address)
    cards(page).get_by_role("button", name="Why, verdict").click()
    show(served, make_event(2, text="newer"))
    fresh = page.locator("#fresh")
    expect(fresh).to_have_text("1 new post")
    expect(cards(page)).to_have_count(1)
    fresh.click()
    expect(cards(page).first).to_contain_text("newer")
    page.keyboard.press("p")
    show(served, make_event(3, text="newest"))
    expect(fresh).to_be_visible()
    page.keyboard.press("p")
    expect(cards(page).first).to_contain_text("newest")


def test_a_verdict_reaches_the_server(page, served, make_event):
    show(served, make_event(1, media=[PHOTO], damage="severe_damage"))
    page.goto(served.address)
    expect(cards(page)).to_have_count(1)
    page.keyboard.press("j")
    page.keyboard.press("w")
    page.locator(".wrong-form").get_by_label(re.compile("^Damage")).select_option("Mild damage")
    page.locator(".wrong-form").get_by_role("button", name="Send").click()
    expect(page.locator("#toast")).to_contain_text("Verdict recorded")
    (verdict,) = served.bench.verdicts
    assert verdict["labels"]["damage"] == "mild_damage"
    assert verdict["analyst"] is None
    assert verdict["note"] is None


def test_a_judged_post_says_so_and_leaves_the_queue(page, served, make_event):
    event = make_event(
        1, damage="severe_damage", media=[PHOTO], review=True, review_reasons=["text alone: one; photo alone: two"]
    )
    show(served, event, make_event(2))
    page.goto(served.address)
    page.get_by_label("For review").check()
    expect(cards(page)).to_have_count(1)
    cards(page).get_by_role("button", name="Why, verdict").click()
    expect(page.locator(".note")).to_have_text("For review: text alone: one; photo alone: two.")
    page.get_by_label("Your name").fill("Mara")
    page.get_by_role("button", name="Wrong").click()
    page.get_by_label("Note").fill("an old photo")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".card:focus")).to_have_attribute("data-open", "false")
    (verdict,) = served.bench.verdicts
    assert (verdict["analyst"], verdict["note"]) == ("Mara", "an old photo")
    served.do(lambda state: state.add_verdict(Verdict.model_validate({**verdict, "labels": {"damage": "mild_damage"}})))
    expect(page.locator("#feed")).to_have_attribute("data-empty", "No post matches the filters.")
    page.get_by_role("button", name="Clear").click()
    judged = page.locator(".mark.judged")
    expect(judged).to_have_text("Corrected: Mild damage")
    expect(judged).to_have_attribute("title", "By Mara: an old photo")
    cards(page).last.get_by_role("button", name="Why, verdict").click()
    expect(page.get_by_label("Your name")).to_have_value("Mara")


def test_an_incident_tells_where_its_place_is_from_and_what_is_repetition(page, served, make_incident):
    served.do(lambda state: state.put_incident(make_incident()))
    page.goto(served.address)
    page.locator(".incident").click()
    expect(page.locator(".support")).to_contain_text("Place from a name in the text, within 12 km.")
    expect(page.locator(".support")).to_contain_text("2 reposts; 1 post repeats another's words or photo.")


def test_choosing_filters_moves_nothing(page, served):
    page.goto(served.address)
    before = page.locator("#main").bounding_box()
    page.get_by_label("For review").check()
    expect(page.get_by_role("button", name="Clear")).to_be_visible()
    assert page.locator("#main").bounding_box() == before


def test_trouble_is_told_once_and_in_words(page, served):
    page.goto(served.address)
    served.do(lambda state: state.problems.update({"a": "Kafka is away.", "b": "Kafka is away."}))
    expect(page.locator("#status-text")).to_have_text("Trouble: see Health")
    expect(page.locator(".problem")).to_have_text(["Kafka is away."])
    served.do(lambda state: state.problems.clear())
    expect(page.locator("#status-text")).to_have_text("Live")


def test_what_the_server_lets_go_the_page_lets_go(page, served, make_event):
    show(served, *(make_event(number) for number in range(200)))
    page.goto(served.address)
    expect(page.locator("#feed-count")).to_have_text("200 shown")
    show(served, *(make_event(number) for number in range(200, 260)))
    expect(page.locator("#counters")).to_contain_text("260")
    expect(page.locator("#feed-count")).to_have_text("200 shown")


def test_a_stopped_server_is_told_and_found_again(page, served, make_event):
    page.goto(served.address)
    expect(page.locator("#status-text")).to_have_text("Live")
    page.route("**/stream", lambda route: route.fulfill(status=503, body=""))
    served.loop.call_soon_threadsafe(served.bench.hub.close)
    expect(page.locator("#status-text")).to_have_text("Connection lost, trying again")
    page.unroute("**/stream")
    expect(page.locator("#status-text")).to_have_text("Live")
    show(served, make_event(1, text="after"))
    expect(cards(page)).to_contain_text("after")


@pytest.mark.parametrize("width", [420, 1400])
def test_nothing_is_wider_than_the_screen(page, served, make_event, width):
    show(served, make_event(1, text="x" * 400, place={**BEIRA, "name": "y" * 90}, media=[PHOTO], damage="mild_damage"))
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(served.address)
    cards(page).get_by_role("button", name="Why, verdict").click()
    assert page.evaluate("document.querySelector('#feed').scrollWidth <= document.querySelector('#feed').clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [320, 390, 768, 900])
def test_filters_unfold_and_wrap_on_a_small_screen(page, served, width):
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(served.address)
    filters = page.locator("#filters")
    fold = page.get_by_role("button", name="Filters")
    expect(filters).to_be_hidden()
    fold.click()
    expect(fold).to_have_attribute("aria-expanded", "true")
    filters.get_by_label("For review").check()
    expect(filters.get_by_role("button", name="Clear")).to_be_visible()
    assert filters.evaluate("form => form.scrollWidth <= form.clientWidth")
    assert filters.evaluate("""form => [...form.querySelectorAll('input, select, button, span')].every(
        each => each.getBoundingClientRect().left >= 0 && each.getBoundingClientRect().right <= form.clientWidth)""")
    boxes = filters.locator("> *").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect()).map(b => [b.left, b.top, b.right, b.bottom])"
    )
    for i, (left, top, right, bottom) in enumerate(boxes):
        for x, y, x2, y2 in boxes[:i]:
            assert left >= x2 or right <= x or top >= y2 or bottom <= y
    assert filters.bounding_box()["height"] <= 350
    fold.click()
    expect(filters).to_be_hidden()
    expect(fold).to_have_class("set")
    page.keyboard.press("/")
    expect(filters.get_by_label("Words")).to_be_focused()
