"""What people see of incidents: merged ones as one, split ones as two, corrected places, and nothing counted twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from acts import START, dated, histories
from factories import make_event, make_place
from hypothesis import given

from stream_app.decisions.act import Claim, Correct, KnownPlace, Merge, SetStatus, Split, Undo
from stream_app.decisions.board import Board, cut_name, fold
from stream_app.decisions.shown import members, shown
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.settings import IncidentSettings


def incident(name: str, posts: int, minutes: int = 0) -> Incident:
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    for i in range(posts):
        event = make_event(
            f"{name}{i}", f"{name} word{i}", author=f"{name}{i}", minutes=minutes + i, place=make_place()
        )
        grouping.add(sighting_of(event, rules))
    (made,) = grouping.changed(datetime(2026, 3, 14, 10, tzinfo=UTC))
    return made.model_copy(update={"id": name})


FOUR = {name: incident(name, posts) for name, posts in zip("abcd", (2, 3, 1, 4), strict=True)}


def test_without_acts_incidents_are_shown_as_they_are():
    assert {name: item.incident for name, item in shown(FOUR, Board()).items()} == FOUR
    assert [item.revision for item in shown(FOUR, Board()).values()] == [str(each.version) for each in FOUR.values()]


@given(histories())
def test_whatever_was_done_every_post_is_in_one_incident_on_show_and_every_incident_is_whole(history):
    board = fold(history)
    items = shown(FOUR, board)
    found = sorted(name for item in items.values() for name in members(item.incident))
    assert found == sorted(name for each in FOUR.values() for name in members(each))
    for name, item in items.items():
        assert name == item.incident.id
        Incident.model_validate_json(item.incident.model_dump_json())
    assert sum(item.incident.root_count for item in items.values()) == len(found)


@given(histories())
def test_incidents_nobody_touched_are_not_even_copied(history):
    board = fold(history)
    for name in set(FOUR) - {each for act in history for each in board.log if each} - set(board.log):
        assert shown(FOUR, board)[name].incident is FOUR[name]


def test_a_merge_adds_up_and_its_undo_takes_apart():
    acts = dated([("b", Merge(into="a"), "ada"), ("c", Merge(into="b"), "ada")])
    items = shown(FOUR, fold(acts))
    assert list(items) == ["a", "d"]
    one = items["a"]
    assert one.parts == ("b", "c")
    assert one.incident.post_count == 6
    assert set(members(one.incident)) == {name for part in "abc" for name in members(FOUR[part])}
    assert one.incident.author_count == 3, "who wrote in two of them is not known, so as many as in the largest"
    assert one.revision != str(one.incident.version)
    apart = shown(FOUR, fold([*acts, *dated([("a", Claim(), "z")] * 2 + [("b", Undo(act="n0"), "ada")])[2:]]))
    assert list(apart) == ["a", "b", "d"]
    assert apart["a"].incident == FOUR["a"]
    assert apart["a"].revision == str(FOUR["a"].version), "the same as before: nobody need be told again"
    assert len(apart["a"].log) == 2


def test_windows_of_a_merge_count_posts_in_the_window_they_fall_in():
    late = incident("late", 2, minutes=60)
    one = shown({"a": FOUR["a"], "late": late}, fold(dated([("late", Merge(into="a"), "ada")])))["a"].incident
    assert one.windows[-1].end == late.windows[-1].end
    assert sum(window.posts for window in one.windows) == 4


def test_split_posts_are_an_incident_of_their_own_that_can_be_worked_on():
    acts = dated([("d", Split(posts=("bluesky:d0", "bluesky:d3", "x:nosuch")), "ada")])
    name = cut_name(acts[0])
    acts += dated([("d", Claim(), "z"), (name, Claim(), "bo"), (name, Merge(into="a"), "bo")])[1:]
    items = shown(FOUR, fold(acts[:2]))
    assert members(items[name].incident) == ("bluesky:d0", "bluesky:d3")
    assert {post.id for post in items[name].incident.posts} == {"d0", "d3"}
    assert (items[name].incident.post_count, items["d"].incident.post_count) == (2, 2)
    assert items[name].work.owner == "bo"
    assert "bluesky:d0" in members(shown(FOUR, fold(acts))["a"].incident)


def test_a_corrected_place_and_the_end_of_work_are_seen():
    place = KnownPlace(name="Ratnapura", country_code="LK", latitude=6.68, longitude=80.4, radius_km=3)
    acts = dated([("a", Correct(place=place), "ada"), ("a", SetStatus(status="false"), "ada")])
    one = shown(FOUR, fold(acts))["a"].incident
    assert (one.place.name, one.place.radius_km, one.place.source, one.status) == ("Ratnapura", 3, "analyst", "closed")
    again = [*acts, acts[0].model_copy(update={"id": "r", "act": SetStatus(status="new"), "at": START + timedelta(1)})]
    assert shown(FOUR, fold(again))["a"].incident.status == "open"


def test_a_merge_into_what_is_forgotten_leaves_the_part():
    assert list(shown({"a": FOUR["a"]}, fold(dated([("a", Merge(into="gone"), "ada")])))) == ["a"]
