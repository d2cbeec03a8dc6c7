"""Finding one's way among many posts: order, noise, words, incidents, marks on the map, photos, what is new."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from stream_app.pipeline.events.event import Label

pytestmark = pytest.mark.browser

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
BEIRA = {"name": "Beira", "country_code": "MZ", "latitude": -19.84, "longitude": 34.84, "source": "gazetteer"}
DONDO = {**BEIRA, "name": "Dondo", "latitude": -19.61, "longitude": 34.74}
TETE = {**BEIRA, "name": "Tete", "latitude": -16.16, "longitude": 33.59}
PHOTO = {"url": "https://photos.example.org/quay.jpg", "status": "used", "width": 80, "height": 60}


def show(served, *events, at=NOW):
    served.do(lambda state: [state.add_event(event, at) for event in events])


def cards(page):
    return page.locator(".card")


def texts(page):
    return page.locator(".card .text")


def mixed(make_event):
    """Arrived with the gravest neither first nor last, each later written than the one before."""
    return [
        make_event(1, text="road", humanitarian="infrastructure_and_utility_damage", probability=0.55),
        make_event(2, text="missing", humanitarian="affected_individuals"),
        make_event(3, text="rumour", humanitarian="other_relevant_information"),
        make_event(4, text="alarm", humanitarian="rescue_volunteering_or_donation_effort"),
        make_event(5, text="coffee", humanitarian="not_humanitarian", post={"created_at": NOW + timedelta(hours=1)}),
    ]


def test_people_come_first_and_noise_is_folded(page, served, make_event):
    show(served, *mixed(make_event))
    page.goto(served.address)
    expect(texts(page)).to_have_text(["missing", "alarm", "road", "rumour"])
    noise = page.get_by_role("button", name="1 not informative: show")
    noise.click()
    expect(texts(page)).to_have_text(["missing", "alarm", "road", "rumour", "coffee"])
    page.get_by_label("Order").select_option("newest")
    expect(texts(page).first).to_have_text("coffee")
    page.reload()
    expect(texts(page).first).to_have_text("coffee")
    page.get_by_label("Order").select_option("arrival")
    expect(page).to_have_url(re.compile("noise=on&sort=arrival"))
    expect(texts(page)).to_have_text(["coffee", "alarm", "rumour", "missing", "road"])
    page.get_by_role("button", name="Fold posts").click()
    expect(texts(page)).to_have_text(["alarm", "rumour", "missing", "road"])


def test_noise_of_a_grave_category_is_not_hidden(page, served, make_event):
    event = make_event(1, text="my brother", humanitarian="affected_individuals")
    informativeness = event.labels.informativeness.model_copy(update={"label": "not_informative"})
    labels = event.labels.model_copy(update={"informativeness": informativeness})
    show(served, event.model_copy(update={"labels": labels}))
    page.goto(served.address)
    expect(texts(page)).to_have_text(["my brother"])


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("ratnapura roof", ["People on roofs in Ratnapura"]),
        ("ROOF  people,ratna", ["People on roofs in Ratnapura"]),
        ("malaga", ["Inundación en Málaga"]),
        ("inundacion MÁLAGA", ["Inundación en Málaga"]),
        ("łódź", ["Powodz w Lodz"]),
        ("救助", ["屋上で救助を待っています"]),
        ("roof malaga", []),
        ("oof", []),
        (".*", ["People on roofs in Ratnapura", "Inundación en Málaga", "Powodz w Lodz", "屋上で救助を待っています"]),
    ],
)
def test_words_are_found_in_any_order_by_their_beginning_without_accents(page, served, make_event, query, found):
    for number, text in enumerate(
        ["屋上で救助を待っています", "Powodz w Lodz", "Inundación en Málaga", "People on roofs in Ratnapura"]
    ):
        show(served, make_event(number, text=text))
    page.goto(served.address)
    page.locator("[name=q]").fill(query)
    expect(texts(page)).to_have_text(found)


def test_a_chosen_incident_shows_all_its_posts_and_the_map_goes_there(page, served, make_event, make_incident):
    show(served, *(make_event(number, text=f"post {number}", place=BEIRA) for number in range(1, 13)))
    show(served, make_event(20, text="elsewhere", place=TETE), make_event(21, root=1))
    members = [f"bluesky:p{number}" for number in range(1, 13)]
    served.do(lambda state: state.put_incident(make_incident(posts=[1, 2], members=members, post_count=45)))
    page.goto(served.address)
    page.locator(".incident").click()
    expect(cards(page)).to_have_count(12)
    expect(page.locator("#scope")).to_have_text(
        re.compile(r"People affected, Beira, Mozambique: 13 of 45 posts in memory, 1 copy folded in")
    )
    spot = page.locator(".spot")
    expect(spot).to_have_count(1)
    middle = "box => { const b = box.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; }"
    (x, y), (map_x, map_y) = spot.evaluate(middle), page.locator("#map").evaluate(middle)
    assert abs(x - map_x) < 60
    assert abs(y - map_y) < 60
    served.do(lambda state: state.put_incident(make_incident(version=2, posts=[1], members=members[:3], post_count=4)))
    expect(cards(page)).to_have_count(3)
    expect(page.locator("#scope")).to_contain_text("all 4 posts in memory")
    page.locator("#scope").get_by_role("button", name="Show the other posts again").click()
    expect(cards(page)).to_have_count(13)


def test_a_mark_on_the_map_filters_to_the_number_it_shows(page, served, make_event):
    places = [BEIRA] * 40 + [DONDO] * 20 + [TETE] * 3
    show(served, *(make_event(number, place=place) for number, place in enumerate(places)))
    show(served, make_event(90, humanitarian="not_humanitarian", place=BEIRA))
    page.goto(served.address)
    mark = page.locator(".spot").first
    expect(mark).to_have_text("60")
    mark.click()
    expect(page.locator("#feed-count")).to_have_text("60 shown")
    expect(page.locator("#scope")).to_contain_text("Beira, Mozambique and 1 place near it")
    page.reload()
    expect(page.locator("#feed-count")).to_have_text("60 shown")


def test_the_review_counter_and_its_list_agree(page, served, make_event):
    show(served, *(make_event(number, review=True) for number in range(1, 8)))
    show(served, make_event(8, review=True, humanitarian="not_humanitarian"), make_event(9, root=1, review=True))
    page.goto(served.address)
    counter = page.locator("#counters div", has_text="For review").locator("dd")
    expect(counter).to_have_text("8")
    page.get_by_label("For review").check()
    expect(cards(page)).to_have_count(8)


def test_a_photo_is_seen_large_on_request(page, served, make_event):
    show(served, make_event(1, text="<b>quay</b>", media=[PHOTO, {**PHOTO, "url": "https://photos.example.org/2.jpg"}]))
    page.goto(served.address)
    page.get_by_role("button", name="See photo 1 large").click()
    dialog = page.get_by_role("dialog", name="Photo")
    expect(dialog.locator("img")).to_have_attribute("src", re.compile("/0/large$"))
    expect(dialog.locator("img")).to_have_js_property("naturalWidth", 80)
    expect(dialog).to_contain_text("<b>quay</b>")
    page.keyboard.press("ArrowRight")
    expect(dialog.locator("img")).to_have_attribute("src", re.compile("/1/large$"))
    expect(dialog).to_contain_text("2 of 2")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="See photo 1 large").click()
    expect(dialog).to_contain_text("<b>quay</b>")
    event = make_event(1)
    gone = event.model_validate({**event.model_dump(), "withdrawn": {"reason": "deleted", "events": (event.id,)}})
    served.do(lambda state: state.withdraw(gone))
    expect(dialog).to_be_hidden()
    expect(cards(page)).to_have_count(0)
    expect(page.locator("body")).not_to_contain_text("quay")


def test_an_open_post_is_in_the_address_and_opens_for_who_is_given_it(page, served, make_event):
    show(served, *(make_event(number, text=f"post {number}") for number in range(1, 90)))
    page.goto(served.address)
    page.locator(".card", has_text="post 88").get_by_role("button", name="Why, verdict").click()
    expect(page).to_have_url(re.compile(r"\?post=[0-9a-f]{16}$"))
    shared = page.url
    page.goto(served.address)
    page.get_by_label("Order").select_option("arrival")
    page.goto(shared)
    expect(page.locator(".card[data-open=true] .text")).to_have_text("post 88")
    page.get_by_role("button", name="Less").click()
    expect(page).to_have_url(served.address)


def test_what_is_new_since_the_last_look_is_marked(page, served, make_event):
    show(served, make_event(1, text="old"), at=datetime.now(UTC) - timedelta(hours=1))
    page.goto(served.address)
    expect(cards(page)).to_have_count(1)
    expect(page.locator("#look")).to_be_hidden()
    page.goto("about:blank")
    show(served, make_event(2, text="news"), at=datetime.now(UTC) + timedelta(seconds=1))
    page.goto(served.address)
    expect(page.locator("#look-words")).to_have_text(re.compile(r"1 post since you looked, \d\d:\d\d"))
    expect(page.locator(".card", has=page.locator(".new"))).to_contain_text("news")
    page.get_by_role("button", name="Only these").click()
    expect(texts(page)).to_have_text(["news"])
    page.wait_for_timeout(1_100)
    page.get_by_role("button", name="Seen").click()
    expect(texts(page)).to_have_count(2)
    expect(page.locator("#look")).to_be_hidden()


def test_several_posts_get_one_verdict_that_can_be_taken_back(page, served, make_event):
    show(served, *(make_event(number, text=f"post {number}") for number in range(1, 5)))
    page.goto(served.address)
    expect(cards(page)).to_have_count(4)
    bulk = page.get_by_role("group", name="The posts chosen")
    for key in "jsjs":
        page.keyboard.press(key)
    expect(bulk).to_contain_text("2 posts chosen")
    bulk.get_by_role("button", name="All correct").click()
    expect(bulk).to_contain_text("2 verdicts are sent in a moment.")
    page.keyboard.press("Enter")
    expect(page.locator("#toast")).to_have_text("Nothing was sent.")
    assert served.bench.verdicts == []
    expect(bulk).to_contain_text("2 posts chosen")
    bulk.get_by_role("button", name="Choose all shown").click()
    expect(page.locator(".choose:checked")).to_have_count(4)
    page.get_by_label("Choose this post").first.uncheck()
    bulk.get_by_label("All of them are").select_option("Not humanitarian")
    bulk.get_by_role("button", name="Send now").click()
    expect(page.locator("#toast")).to_have_text("3 verdicts recorded.")
    expect(bulk).to_be_hidden()
    assert [each["labels"] for each in served.bench.verdicts] == [{"humanitarian": "not_humanitarian"}] * 3
    assert len({each["event"] for each in served.bench.verdicts}) == 3
    page.get_by_label("Choose this post").first.check()
    bulk.get_by_role("button", name="All correct").click()
    page.goto("about:blank")
    page.goto(served.address)
    expect(cards(page)).to_have_count(4)
    for _ in range(100):  # the page that is left sends it when it can
        if len(served.bench.verdicts) > 3:
            break
        page.wait_for_timeout(50)
    assert served.bench.verdicts[3]["labels"] == {
        "humanitarian": "other_relevant_information",
        "informativeness": "informative",
    }


def test_requests_for_help_are_judged_and_filtered(page, served, make_event):
    event = make_event(1, text="send a boat")
    asks = Label(label="request", probability=0.78, probabilities={"request": 0.78, "no_request": 0.22})
    show(served, event.model_copy(update={"labels": event.labels.model_copy(update={"request": asks})}), make_event(2))
    page.goto(served.address)
    page.locator("[name=request]").select_option("Asks for help")
    expect(texts(page)).to_have_text(["send a boat"])
    expect(page).to_have_url(re.compile("request=request"))
    expect(page.locator("#health .block", has_text="Request").locator("tr", has_text="Asks for help")).to_contain_text(
        "1"
    )
    page.get_by_role("button", name="Why, verdict").click()
    page.get_by_role("button", name="Wrong").click()
    page.locator(".wrong-form").get_by_label("Request").select_option("Asks for no help")
    page.locator(".wrong-form").get_by_role("button", name="Send").click()
    expect(page.locator("#toast")).to_contain_text("Verdict recorded")
    assert served.bench.verdicts[0]["labels"]["request"] == "no_request"


def test_an_earlier_hour_is_shown_by_a_slider_and_is_in_the_address(page, served, make_event):
    then = datetime.now(UTC) - timedelta(hours=5)
    served.bench.earlier = [
        (make_event(number, text=f"earlier {number}", media=[PHOTO]), then + timedelta(minutes=number))
        for number in range(3)
    ]
    show(served, make_event(9, text="now"))
    page.goto(served.address)
    slider = page.get_by_role("slider", name="Posts until")
    expect(slider).to_have_attribute("aria-valuetext", "Live")
    at = f"{then + timedelta(minutes=30):%Y-%m-%dT%H:%MZ}"
    page.goto(f"{served.address}?until={at}")
    expect(texts(page)).to_have_text(["earlier 2", "earlier 1", "earlier 0"])
    expect(page.locator("#past-words")).to_contain_text("Posts that came from")
    expect(page.locator("#past-words")).to_contain_text("More came than are kept")
    expect(page.locator(".card img").first).to_have_js_property("naturalWidth", 80)
    show(served, make_event(10, text="newer"))
    event = make_event(1)
    gone = event.model_validate({**event.model_dump(), "withdrawn": {"reason": "deleted", "events": (event.id,)}})
    served.do(lambda state: state.withdraw(gone))
    expect(texts(page)).to_have_text(["earlier 2", "earlier 0"])
    slider.focus()
    page.keyboard.press("ArrowRight")
    expect(page).not_to_have_url(re.compile(at))
    expect(page).to_have_url(re.compile("until="))
    page.get_by_role("button", name="Back to live").click()
    expect(texts(page)).to_have_text(["newer", "now"])
    expect(page).to_have_url(served.address)
    expect(slider).to_have_attribute("aria-valuetext", "Live")
