from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from stream_app.dashboard.state import DashboardState, card_id
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.settings import DashboardSettings

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)


@pytest.fixture
def state() -> DashboardState:
    return DashboardState(DashboardSettings(posts_per_label=3, incidents=2))


def test_a_flood_of_one_label_never_pushes_out_another(state, make_event):
    state.add_event(make_event(1, humanitarian="affected_individuals"), NOW)
    for number in range(2, 50):
        state.add_event(make_event(number, humanitarian="not_humanitarian"), NOW)
    kept = {card["event"]["post"]["id"] for card in state.snapshot()["cards"]}
    assert kept == {"p1", "p47", "p48", "p49"}


@given(numbers=st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12) | st.none()), max_size=80))
@example(numbers=[(3, 2), (3, None), (1, None), (1, 2)])  # a post with one root, then another
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_memory_is_bounded_and_browsers_can_follow(make_event, numbers):
    state = DashboardState(DashboardSettings(posts_per_label=2))
    followed: set[str] = set()
    for number, root in numbers:
        state.add_event(make_event(number, root=root), NOW)
        if number % 3 == 0:
            changes = state.take_changes()
            followed = followed - set(changes.gone) | {card["id"] for card in changes.cards}
    changes = state.take_changes()
    followed = followed - set(changes.gone) | {card["id"] for card in changes.cards}
    assert followed == {card["id"] for card in state.snapshot()["cards"]}
    assert len(followed) <= 2


def test_reposts_and_duplicates_fold_into_their_root(state, make_event):
    state.add_event(make_event(1), NOW)
    state.add_event(make_event(2, root=1), NOW)
    state.add_event(make_event(3, root=1), NOW)
    (card,) = state.snapshot()["cards"]
    assert card["duplicates"] == 2
    assert card["event"]["post"]["id"] == "p1"


def test_a_repost_whose_root_was_never_seen_stands_for_it(state, make_event):
    state.add_event(make_event(2, root=1, duplicates_seen=7), NOW)
    (card,) = state.snapshot()["cards"]
    assert card["id"] == card_id("bluesky", "p1")
    assert card["duplicates"] == 7


def test_changes_are_told_once_however_often_they_happened(state, make_event):
    for number in range(2, 12):
        state.add_event(make_event(number, root=1), NOW)
    assert len(state.take_changes().cards) == 1
    assert not state.take_changes()


def test_a_card_that_goes_before_it_was_told_is_not_told(state, make_event):
    for number in range(1, 5):
        state.add_event(make_event(number), NOW)
    changes = state.take_changes()
    assert len(changes.cards) == 3
    assert changes.gone == [card_id("bluesky", "p1")]


def test_incidents_are_bounded_and_tombstones_remove_them(state, make_incident):
    for name in "abc":
        state.put_incident(make_incident(name))
    assert [incident["id"] for incident in state.snapshot()["incidents"]] == ["b", "c"]
    state.drop_incident("b")
    state.drop_incident("never seen")
    assert [incident["id"] for incident in state.snapshot()["incidents"]] == ["c"]


def shown(state):
    return {card["event"]["post"]["id"] for card in state.snapshot()["cards"]}


def test_posts_of_an_open_incident_stay_when_their_label_lets_them_go(state, make_event, make_incident):
    members = ["bluesky:p1", "bluesky:p2", "bluesky:p99"]
    state.put_incident(make_incident("a", posts=[1], members=members))
    state.put_incident(make_incident("b", posts=[2]))  # names no members: its supporting posts
    for number in range(1, 9):
        state.add_event(make_event(number), NOW)
    assert shown(state) == {"p1", "p2", "p6", "p7", "p8"}
    state.put_incident(make_incident("a", version=2, posts=[1], members=members, status="closed"))
    assert shown(state) == {"p2", "p6", "p7", "p8"}
    state.drop_incident("b")
    assert shown(state) == {"p6", "p7", "p8"}
    assert state.image(card_id("bluesky", "p1"), 0) is None


def test_posts_held_for_incidents_are_bounded_too(make_event, make_incident):
    state = DashboardState(DashboardSettings(posts_per_label=1, incident_posts=2))
    members = [f"bluesky:p{number}" for number in range(1, 50)]
    state.put_incident(make_incident("a", members=members))
    for number in range(1, 20):
        state.add_event(make_event(number), NOW)
    assert shown(state) == {"p17", "p18", "p19"}
    state.drop_incident("a")
    assert shown(state) == {"p19"}


def test_a_card_names_the_alerts_it_raised_but_not_that_it_is_informative(make_event):
    state = DashboardState(DashboardSettings())
    state.add_event(make_event(1, humanitarian="affected_individuals", damage="severe_damage"), NOW)
    state.add_event(make_event(2, humanitarian="affected_individuals", probability=0.55), NOW)
    assert [card["alerts"] for card in state.snapshot()["cards"]] == [("humanitarian", "damage"), ()]


def test_rate_counts_by_kafkas_time_not_by_arrival(state, make_event):
    for number in range(10):
        state.add_event(make_event(number), NOW - timedelta(seconds=1 + number % 2))
    state.add_event(make_event(99), NOW - timedelta(hours=2))
    per_second = state.stats(NOW)["per_second"]
    assert len(per_second) == 60
    assert per_second[-2:] == [5, 5]
    assert sum(per_second) == 10


def test_rate_forgets(state, make_event):
    for second in range(1000):
        state.add_event(make_event(second), NOW + timedelta(seconds=second))
    assert len(state._rate.seconds) <= 121


def test_counts(state, make_event):
    state.add_event(make_event(1, review=True, damage="severe_damage"), NOW)
    state.add_event(make_event(2, root=1, degraded=True), NOW)
    state.add_dead_letter("parse", "not JSON", NOW)
    stats = state.stats(NOW)
    assert stats["counts"] == {"posts": 2, "duplicates": 1, "review": 1, "degraded": 1, "dead_letters": 1}
    assert stats["labels"]["damage"] == {"severe_damage": 1, "none": 1}
    assert stats["dead_letters"] == [{"at": NOW.isoformat(), "stage": "parse", "error": "not JSON"}]


def test_only_images_that_are_on_show_and_were_used_have_an_address(state, make_event):
    media = [
        {"url": "https://example.org/a.jpg", "status": "used"},
        {"url": "https://example.org/b.jpg", "status": "refused"},
    ]
    state.add_event(make_event(1, media=media), NOW)
    card = card_id("bluesky", "p1")
    assert state.image(card, 0).url == "https://example.org/a.jpg"
    assert state.image(card, 1) is None
    assert state.image(card, 2) is None
    assert state.image("0" * 16, 0) is None
    for number in range(2, 6):
        state.add_event(make_event(number), NOW)
    assert state.image(card, 0) is None


def said(event, **labels):
    return Verdict(event=event.id, labels=labels, analyst="desk-2", note="an old photo", at=NOW)


def test_a_verdict_shows_on_its_card_whichever_comes_first(state, make_event):
    early, late = make_event(1), make_event(2)
    state.add_verdict(said(late, damage="mild_damage"))
    state.add_event(early, NOW)
    state.take_changes()
    state.add_verdict(said(early, humanitarian="not_humanitarian"))
    state.add_verdict(said(make_event(9), damage="mild_damage"))
    state.add_event(late, NOW)
    found = {card["event"]["post"]["id"]: card["verdict"] for card in state.take_changes().cards}
    assert {post: verdict["labels"] for post, verdict in found.items()} == {
        "p1": {"humanitarian": "not_humanitarian"},
        "p2": {"damage": "mild_damage"},
    }
    assert (found["p1"]["analyst"], found["p1"]["note"]) == ("desk-2", "an old photo")


def test_the_latest_verdict_counts_and_goes_with_its_card(state, make_event):
    events = [make_event(number) for number in range(1, 6)]
    state.add_event(events[0], NOW)
    for label in ("mild_damage", "severe_damage"):
        state.add_verdict(said(events[0], damage=label))
    assert state.snapshot()["cards"][0]["verdict"]["labels"] == {"damage": "severe_damage"}
    for event in events[1:]:
        state.add_event(event, NOW)
    state.add_verdict(said(events[0], damage="mild_damage"))
    assert all(card["verdict"] is None for card in state.snapshot()["cards"])


def test_problems_that_read_alike_are_told_once(state):
    state.problems = {"crisis.events": "Kafka is away", "crisis.incidents": "Kafka is away"}
    assert state.stats()["problems"] == ["Kafka is away"]


def withdrawal(event, **more):
    """What takes ``event`` back."""
    taken = {"reason": "deleted", "events": (event.id,), **more}
    return event.model_validate({**event.model_dump(), "withdrawn": taken, "media": (), "labels": event.labels})


def test_an_edit_replaces_the_card_under_its_own_label(state, make_event):
    first = make_event(1, text="12 dead", humanitarian="affected_individuals")
    state.add_event(first, NOW)
    state.add_event(make_event(2, root=1), NOW)
    shown = state.take_changes().cards[0]["id"]
    edit = make_event(1, text="false alarm", humanitarian="not_humanitarian", supersedes=first.id, id="e2")
    state.add_event(edit, NOW)
    changes = state.take_changes()
    assert [(card["id"], card["event"]["post"]["text"], card["duplicates"]) for card in changes.cards] == [
        (shown, "false alarm", 1)
    ]
    for number in range(10, 13):
        state.add_event(make_event(number, humanitarian="affected_individuals"), NOW)
    assert len(state.snapshot()["cards"]) == 4, "it takes no room among the graver ones any more"


def test_a_withdrawn_post_leaves_with_its_thumbnails(state, make_event):
    forgotten = []
    state.forget_photos = forgotten.extend
    photo = {"url": "https://a.example/1.jpg", "status": "used"}
    gone, stays = make_event(1, text="12 dead", media=[photo]), make_event(2)
    state.add_event(gone, NOW)
    state.add_event(stays, NOW)
    state.add_event(make_event(3, root=1), NOW)
    state.take_changes()
    state.withdraw(withdrawal(make_event(9)))
    state.withdraw(withdrawal(gone, edited_to="e2", events=("another version",)))
    assert not state.take_changes(), "neither of a post that is not shown, nor of a version that is not"
    state.withdraw(withdrawal(gone))
    changes = state.take_changes()
    assert changes.gone == [card_id("bluesky", "p1")]
    assert [card["event"]["post"]["id"] for card in state.snapshot()["cards"]] == ["p2"]
    assert forgotten == ["https://a.example/1.jpg"]


def test_all_posts_of_an_author_leave_or_lose_their_place(state, make_event):
    place = {"name": "Beira", "latitude": -19.84, "longitude": 34.84, "source": "point"}
    mine = [make_event(n, place=place, post={"author_key": "a" * 16}) for n in (1, 2)]
    for event in (*mine, make_event(3, place=place)):
        state.add_event(event, NOW)
    state.withdraw(withdrawal(mine[0], whole_author=True, place_only=True))
    places = {card["event"]["post"]["id"]: card["event"]["post"]["place"] for card in state.snapshot()["cards"]}
    assert [places["p1"], places["p2"], places["p3"]["name"]] == [None, None, "Beira"]
    state.withdraw(withdrawal(mine[0], whole_author=True))
    assert [card["event"]["post"]["id"] for card in state.snapshot()["cards"]] == ["p3"]


def test_a_post_that_comes_after_its_authors_withdrawal_is_not_shown(state, make_event):
    mine = make_event(1, post={"author_key": "a" * 16})
    state.withdraw(withdrawal(mine, whole_author=True, events=()))
    state.add_event(mine, NOW)
    state.add_event(make_event(2, root=1, post={"author_key": "a" * 16}), NOW)
    assert state.snapshot()["cards"] == []
    assert state.counts["posts"] == 2


def test_an_incident_shows_nothing_withdrawn_before_its_next_version_comes(state, make_event, make_incident):
    def support(number, event):
        post = event.post
        about = {"id": post.id, "network": post.network, "event_id": event.id, "excerpt": f"words {number}"}
        return {**about, "created_at": post.created_at, "humanitarian": 0.9}

    events = [make_event(n, post={"author_key": f"{n}" * 16}) for n in (1, 2, 3)]
    for event in events:
        state.add_event(event, NOW)
    incident = make_incident("i1")
    posts = [support(n, event) for n, event in enumerate(events, 1)]
    incident = incident.model_validate({**incident.model_dump(), "posts": posts})
    state.put_incident(incident)
    state.take_changes()
    state.withdraw(withdrawal(events[0]))
    state.withdraw(withdrawal(events[1], whole_author=True, events=()))
    [changed] = state.take_changes().incidents
    assert [post["excerpt"] for post in changed["posts"]] == ["words 3"]
    state.put_incident(incident.model_copy(update={"version": 99, "status": "closed", "post_count": 0, "posts": ()}))
    assert state.snapshot()["incidents"] == []


def emerging(term: str, score: float, **changes: object) -> Emerging:
    return Emerging.model_validate(
        {"id": f"word:{term}", "kind": "word", "term": term, "posts": 4, "authors": 4, "expected": 0.5}
        | {"score": score, "since": NOW, "at": NOW, **changes}
    )


def test_what_is_emerging_is_shown_strongest_first_an_old_picture_before_all(state):
    for number in range(6):
        state.put_emerging(f"word:w{number}", emerging(f"w{number}", number))
    seen = {"at": NOW - timedelta(days=9), "event_id": "e", "place": "Valencia"}
    state.put_emerging("photo:f", emerging("f", 0, id="photo:f", kind="photo", first_seen=seen))
    assert [each["term"] for each in state.stats()["emerging"]] == ["f", "w5", "w4", "w3", "w2"]
    state.put_emerging("word:w5", emerging("w5", 5, status="over"))
    state.put_emerging("photo:f", None)
    assert [each["term"] for each in state.stats()["emerging"]] == ["w4", "w3", "w2", "w1", "w0"]
