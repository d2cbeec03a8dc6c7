"""Rules decide what to tell whom and when; what is muted, false or told before is not told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from acts import START, dated
from factories import make_event, make_place
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from stream_app.decisions.act import Merge, Mute, SetStatus
from stream_app.decisions.board import fold
from stream_app.decisions.shown import shown
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.sighting import sighting_of
from stream_app.notify.notice import delivery_of
from stream_app.notify.rules import Rules, due, silenced
from stream_app.notify.sender import together
from stream_app.settings import IncidentSettings, NotifyRule, NotifySettings

DESK = {"name": "desk", "webhook": "http://127.0.0.1/"}


def rules(**asked):
    rule = {"name": "r", "channels": ["desk"], **asked}
    return Rules(NotifySettings(channel=[DESK, {**DESK, "name": "other"}], rule=[rule]))


def incident(**changes):
    settings = IncidentSettings(min_authors=1)
    grouping = Grouping(settings)
    event = make_event("p1", "Water over the quay", author="A", place=make_place())
    grouping.add(sighting_of(event, settings))
    (made,) = grouping.changed(event.timings.produced_at)
    return made.model_copy(update={"id": "i", "severity": "moderate", "severity_score": 0.4, **changes})


def told(asked, *versions):
    """The kinds of what one set of rules tells of one version after the other, each with its acts."""
    kinds = []
    for made, acts in versions:
        (item,) = shown({"i": made}, fold(dated(acts))).values()
        kinds.append([notice.kind for notice in asked.incident(item, START, START)])
    return kinds


def test_an_incident_is_told_once_and_again_when_it_is_graver_or_decided_on():
    first, graver = incident(), incident(version=9, severity="severe")
    seen = told(
        rules(),
        (first, []),
        (incident(version=4), []),
        (graver, []),
        (incident(version=11), []),
        (graver, [("i", SetStatus(status="confirmed"), "ada")]),
        (graver, [("i", SetStatus(status="false"), "ada")]),
        (incident(version=20), [("i", SetStatus(status="false"), "ada")]),
    )
    assert seen == [["incident"], [], ["incident"], [], ["incident"], ["over"], []]
    assert told(rules(updates="all"), (first, []), (incident(version=4), [])) == [["incident"], ["incident"]]
    assert told(rules(updates="none"), (first, []), (graver, [])) == [["incident"], []]


def test_what_is_muted_false_or_closed_before_it_was_told_stays_untold():
    for act in (Mute(), Mute(until=START + timedelta(hours=1)), SetStatus(status="false"), SetStatus(status="closed")):
        assert told(rules(), (incident(), [("i", act, "ada")])) == [[]]
    assert told(rules(), (incident(), [("i", Mute(until=START), "ada")])) == [["incident"]]
    assert told(rules(), (incident(status="closed"), [])) == [[]]


@pytest.mark.parametrize(
    "asked",
    [
        {"labels": ["infrastructure_and_utility_damage"]},
        {"severity": "severe"},
        {"min_probability": 0.5},
        {"authors": 2},
        {"place": "Galle"},
        {"place": "0,0,10,10"},
        {"place": "10,10,5"},
    ],
    ids=str,
)
def test_each_part_of_a_rule_keeps_an_incident_out(asked):
    assert told(rules(**asked), (incident(), [])) == [[]]


def test_a_rule_that_asks_for_just_that_lets_it_in():
    asked = {
        "labels": ["affected_individuals"],
        "severity": "moderate",
        "min_probability": 0.4,
        "place": "6.93,79.85,5",
    }
    assert told(rules(**asked), (incident(), [])) == [["incident"]]


@pytest.mark.parametrize(
    ("asked", "task", "passes"),
    [
        ({}, "humanitarian", True),
        ({"task": "damage"}, "humanitarian", False),
        ({"labels": ["affected_individuals"]}, "humanitarian", True),
        ({"labels": ["infrastructure_and_utility_damage"]}, "humanitarian", False),
        ({"min_probability": 0.95}, "humanitarian", False),
        ({"languages": ["si"]}, "humanitarian", False),
        ({"languages": ["en"], "place": "Colombo"}, "humanitarian", True),
        ({}, "damage", False),
    ],
    ids=str,
)
def test_alerts_are_told_by_task_label_probability_language_and_place(asked, task, passes):
    notices = rules(on="alerts", **asked).alert(make_event(place=make_place()), task, START, START)
    assert [notice.kind for notice in notices] == ["alert"] * passes


def test_copies_are_no_alert_and_one_post_has_one_key_whatever_its_topics():
    asked = rules(on="alerts", channels=["desk", "other"])
    assert list(asked.alert(make_event("c", root="p1"), "humanitarian", START, START)) == []
    keys = {
        n.key for task in ("humanitarian", "informativeness") for n in asked.alert(make_event(), task, START, START)
    }
    assert len(keys) == 2


@given(st.lists(st.integers(0, 1_200), max_size=40).map(sorted), st.integers(2, 5))
def test_a_count_is_told_when_so_many_came_in_the_window_and_then_begins_anew(seconds, count):
    asked = rules(on="alerts", count=count, within_minutes=10)
    kept, expected, got = [], 0, 0
    for number, second in enumerate(seconds):
        at = START + timedelta(seconds=second)
        kept = [*(each for each in kept if each >= at - timedelta(minutes=10)), at]
        if len(kept) >= count:
            kept, expected = [], expected + 1
        got += len(list(asked.alert(make_event(f"p{number}"), "humanitarian", at, at)))
    assert got == expected


def test_what_was_counted_before_a_restart_counts():
    asked = rules(on="alerts", count=2)
    asked.warm(make_event("a"), "humanitarian", START)
    (notice,) = asked.alert(make_event("b"), "humanitarian", START + timedelta(minutes=1), START)
    assert (notice.kind, len(notice.data["events"])) == ("count", 2)
    assert notice.title.startswith("2 alerts within 10 minutes")


QUIET = st.builds(
    lambda a, b: f"{a[0]:02}:{a[1]:02}-{b[0]:02}:{b[1]:02}",
    st.tuples(st.integers(0, 23), st.integers(0, 59)),
    st.tuples(st.integers(0, 23), st.integers(0, 59)),
)


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    st.none() | QUIET,
    st.none() | st.integers(1, 1440),
    st.sampled_from(["UTC", "Asia/Colombo", "America/New_York", "Asia/Kathmandu"]),
)
def test_what_is_due_is_never_early_nor_a_day_late_nor_within_quiet_hours(now, quiet, digest, zone):
    rule = NotifyRule(name="r", channels=["desk"], quiet=quiet, digest_minutes=digest, timezone=zone)
    moment = due(rule, now)
    assert now <= moment <= now + timedelta(minutes=digest or 0, hours=25 if quiet else 0)
    again = due(rule.model_copy(update={"digest_minutes": None}), moment)
    assert again == moment, "it is not quiet then"
    if quiet is None and digest is None:
        assert moment == now


def test_severe_ones_may_wake_people():
    rule = NotifyRule(name="r", channels=["desk"], quiet="00:00-23:59", quiet_lets_severe=True)
    assert due(rule, START, severe=True) == START
    assert due(rule, START) > START


def test_what_waits_is_dropped_once_its_incident_is_muted_or_false_an_alert_of_its_posts_too():
    made = incident()
    (notice,) = rules().incident(next(iter(shown({"i": made}, fold([])).values())), START, START)
    (alert,) = rules(on="alerts").alert(make_event("p1"), "humanitarian", START, START)
    (other,) = rules(on="alerts").alert(make_event("p2"), "humanitarian", START, START)

    def silent(*acts):
        items = shown({"i": made}, fold(dated([("i", act, "ada") for act in acts])))
        return [silenced(items.values(), START)(each) for each in (notice, alert, other)]

    assert silent() == [False, False, False]
    assert silent(SetStatus(status="confirmed")) == [False, False, False]
    assert silent(Mute()) == silent(SetStatus(status="false")) == [True, True, False]
    over = notice.model_copy(update={"kind": "over"})
    items = shown({"i": made}, fold(dated([("i", SetStatus(status="false"), "ada")])))
    assert not silenced(items.values(), START)(over), "that it is false is just what people want to be told"


def test_what_goes_out_together_is_a_digest_or_what_was_begun_together():
    (one,) = rules(digest_minutes=60).incident(next(iter(shown({"i": incident()}, fold([])).values())), START, START)
    two = one.model_copy(update={"key": "desk/j/1", "subject": "j"})
    single = one.model_copy(update={"key": "desk/k/1", "digest": False})
    assert together([one, single, two]) == [one, two]
    assert together([single, one, two]) == [single]
    begun = [each.model_copy(update={"state": "begun", "delivery": "d"}) for each in (one, two)]
    assert together([single, begun[0], one.model_copy(update={"key": "desk/n/1"}), begun[1]]) == begun


def test_a_merge_is_a_version_of_its_own():
    two = {"i": incident(), "j": incident(id="j")}
    asked = rules(updates="all")
    keys = [n.key for item in shown(two, fold([])).values() for n in asked.incident(item, START, START)]
    (one,) = shown(two, fold(dated([("j", Merge(into="i"), "ada")]))).values()
    (merged,) = asked.incident(one, START, START)
    assert merged.key not in keys
    assert delivery_of([merged]) == merged.key
    assert delivery_of([merged, merged]) != delivery_of([merged])


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"channel": [{"name": "d"}]}, "either webhook or apprise"),
        ({"channel": [{**DESK, "apprise": "json://x"}]}, "either webhook or apprise"),
        ({"channel": [{"name": "d", "apprise": "json://x", "secret": "s"}]}, "signs webhooks only"),
        ({"channel": [DESK, DESK]}, "two are called desk"),
        ({"rule": [{"name": "r", "channels": ["nosuch"]}]}, "no notify.channel called nosuch"),
        ({"channel": [DESK], "rule": [{"name": "r", "channels": ["desk"], "timezone": "Mars"}]}, "no time zone"),
        ({"channel": [DESK], "rule": [{"name": "r", "channels": ["desk"], "quiet": "25:00-06:00"}]}, "pattern"),
    ],
    ids=str,
)
def test_wrong_settings_are_told(wrong, says):
    with pytest.raises(ValidationError, match=says):
        NotifySettings(**wrong)
