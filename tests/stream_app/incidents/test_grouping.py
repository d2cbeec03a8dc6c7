from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from factories import START, make_event, make_place
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.incidents.geometry import centre, distance_km
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.incidents.similar import PhotoIndex, TextIndex, text_key
from stream_app.incidents.summary import trend
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.moment import FIRST, LAST
from stream_app.settings import IncidentSettings

RULES = IncidentSettings(min_authors=1)
SOON = START + timedelta(minutes=30)


def grouped(*events: Event, rules: IncidentSettings = RULES) -> list[Incident]:
    grouping = Grouping(rules)
    for event in events:
        sighting = sighting_of(event, rules)
        if sighting:
            grouping.add(sighting)
    return grouping.changed(SOON)


def only(*events: Event) -> Incident:
    (incident,) = grouped(*events)
    return incident


COLOMBO, KATHMANDU = make_place(), make_place(27.7, 85.3, name="Kathmandu")
A = make_event("a", "Water is over the quay", author="A", place=COLOMBO)


# What joins


def test_one_place_one_category_one_time_is_one_incident():
    near = make_event("b", "People stranded on roofs", author="B", place=make_place(7.1), minutes=90)
    incident = only(A, near)
    assert (incident.post_count, incident.author_count, incident.root_count) == (2, 2, 2)
    assert len(incident.members) == 2
    assert {post.id for post in incident.posts} == {member.partition(":")[2] for member in incident.members}
    assert incident.title == "People affected near Colombo, LK"


@pytest.mark.parametrize(
    "other",
    [
        make_event("b", A.post.text, place=KATHMANDU),
        make_event("b", A.post.text, place=COLOMBO, minutes=7 * 60),
        make_event("b", "Nothing in common", place=None),
    ],
    ids=["another place", "another time", "no place and no likeness"],
)
def test_these_stay_apart(other):
    assert len(grouped(A, other)) == 2


def test_one_event_is_not_split_by_category_and_the_gravest_is_its_name():
    bridge = make_event("b", "Bridge gone", author="B", place=COLOMBO, humanitarian="infrastructure_and_utility_damage")
    talk = [
        make_event(f"t{i}", f"say{i} said{i}", author=f"t{i}", place=COLOMBO, humanitarian="other_relevant_information")
        for i in range(5)
    ]
    incident = only(*talk, bridge, A)
    assert (incident.category, incident.post_count) == ("affected_individuals", 7)
    assert incident.severity_score >= only(bridge, A).severity_score - 1e-9, "lesser talk takes nothing off"


def test_a_country_is_a_coarse_place_that_a_town_makes_fine():
    country = make_place(7.3, 80.4, name="Sri Lanka").model_copy(update={"reach_km": 145.0})
    of_country = [make_event(f"c{i}", f"flood{i} toll{i}", author=f"c{i}", place=country) for i in range(3)]
    incident = only(*of_country)
    assert (incident.place.name, incident.place.radius_km, incident.author_count) == ("Sri Lanka", 145.0, 3)
    with_town = only(*of_country, A)
    assert (with_town.place.name, with_town.place.radius_km) == ("Colombo", 25.0)
    jaffna = make_event("j", "Water in the streets", place=make_place(9.66, 80.02, name="Jaffna"))
    assert len(grouped(*of_country, A, jaffna)) == 2, "a country does not tie two towns together"


def test_a_vast_country_joins_only_what_is_alike():
    vast = make_place(39.0, -95.0, name="United States").model_copy(update={"reach_km": 1700.0, "country_code": "US"})
    fire, flood = make_event("f", "Fire in the hills", place=vast), make_event("g", "Water rising fast", place=vast)
    assert len(grouped(fire, flood)) == 2
    assert len(grouped(fire, make_event("h", "fire in the hills again", place=vast))) == 1


@pytest.mark.parametrize("text", ["14 dead in the flood", "14 people killed", "14 muertos", "14 morts", "14 погибших"])
def test_fourteen_dead_outrank_a_bridge(text):
    bridge = make_event(
        "b", "Bridge gone", humanitarian="infrastructure_and_utility_damage", damage="severe_damage", place=COLOMBO
    )
    dead = make_event("d", text, humanitarian="other_relevant_information", probability=0.6, place=COLOMBO)
    assert only(dead).severity_score > only(bridge).severity_score


def test_without_a_place_a_similar_text_or_the_same_photo_joins():
    assert only(A, make_event("b", "water is over the old quay http://x.test @you")).post_count == 2
    photo = make_event("c", "Look", photos=["ff00ff00ff00ff00"])
    again = make_event("d", "Terrible", photos=["ff00ff00ff00ff01"])
    assert only(photo, again).near_duplicate_count == 1
    assert len(grouped(photo, make_event("e", "Terrible", photos=["00ff00ff00ff00ff"]))) == 2


@pytest.mark.parametrize(
    "event",
    [
        make_event(humanitarian="not_humanitarian"),
        make_event(probability=0.4),
        make_event(humanitarian="not_humanitarian", damage="little_or_no_damage"),
    ],
)
def test_irrelevant_posts_make_no_incident(event):
    assert grouped(event) == []


def test_damage_alone_makes_one():
    assert only(make_event(humanitarian="not_humanitarian", damage="severe_damage")).category.startswith("infra")


def test_one_author_is_not_yet_an_incident_by_default():
    default = IncidentSettings()
    again = make_event("b", "Still rising", author="A", place=COLOMBO)
    assert grouped(A, again, rules=default) == []
    other = make_event("c", "Help us", author="C", place=COLOMBO)
    assert len(grouped(A, again, other, rules=default)) == 1


# What is counted


def test_a_viral_post_is_one_witness():
    reposts = [make_event(f"r{i}", A.post.text, root="a", author="A", place=COLOMBO, minutes=i) for i in range(50)]
    alone, viral = only(A), only(A, *reposts)
    assert viral.severity_score == alone.severity_score
    assert (viral.post_count, viral.repost_count, viral.author_count) == (51, 50, 1)
    assert viral.posts[0].reposts == 50


def test_copies_by_many_accounts_are_one_witness():
    copies = [make_event(f"c{i}", f"{A.post.text} https://t.co/{i}", author=f"bot{i}", place=COLOMBO) for i in range(9)]
    incident = only(A, *copies)
    assert (incident.author_count, incident.near_duplicate_count, len(incident.posts)) == (1, 9, 1)
    assert incident.posts[0].near_duplicates == 9


def test_a_text_elsewhere_does_not_make_two_of_an_incident_near_duplicates():
    elsewhere = make_event("e", "water over the quay 2", place=KATHMANDU)
    here = [make_event(f"h{i}", f"water over the quay {i}", place=COLOMBO) for i in (0, 1)]
    apart = {i.title: i.near_duplicate_count for i in grouped(*here)}
    assert apart.items() <= {i.title: i.near_duplicate_count for i in grouped(elsewhere, *here)}.items()


def test_independent_witnesses_raise_the_severity():
    words = ["roof gone", "wall down", "bridge broken", "road split"]
    seen = [
        make_event(f"p{i}", text, author=f"a{i}", place=COLOMBO, damage="severe_damage") for i, text in enumerate(words)
    ]
    scores = [only(*seen[: n + 1]).severity_score for n in range(4)]
    assert scores == sorted(scores)
    assert only(seen[0]).severity == "moderate"
    assert only(*seen).severity == "severe"


def test_authors_are_counted_by_what_they_are():
    def told(event, kind):
        return event.model_copy(update={"post": event.post.model_copy(update={"author_kind": kind})})

    kinds = ["official", "eyewitness", "eyewitness", None]
    events = [make_event(f"k{n}", f"Water, quay {n}", author=f"a{n}", place=COLOMBO) for n in range(4)]
    events.append(make_event("again", "Water at the quay once more", author="a1", place=COLOMBO))
    incident = only(*(told(event, kind) for event, kind in zip(events, [*kinds, "eyewitness"], strict=True)))
    assert incident.author_kinds == {"eyewitness": 2, "official": 1}


def test_a_repost_before_its_root_gives_way_to_it():
    repost = make_event("r", A.post.text, root="a", author="A", place=COLOMBO, minutes=5)
    incident = only(repost, A)
    assert (incident.root_count, incident.repost_count) == (1, 1)
    assert incident.posts[0].event_id == A.id


@pytest.mark.parametrize(
    ("before", "now", "wanted"),
    [
        (0, 0, "steady"),
        (0, 2, "steady"),
        (0, 3, "rising"),
        (3, 0, "falling"),
        (100, 110, "steady"),
        (100, 150, "rising"),
    ],
)
def test_a_trend_is_more_than_chance(before, now, wanted):
    assert trend(before, now) == wanted


def test_windows_hold_the_posts_of_their_time():
    posts = [
        make_event(f"p{i}", f"word{i} thing{i}", place=COLOMBO, minutes=m) for i, m in enumerate((0, 70, 100, 119))
    ]
    assert [window.posts for window in only(*posts).windows][-2:] == [1, 3]


# Laws

numbers = st.integers(0, 12)


@st.composite
def a_post(draw: st.DrawFn) -> Event:
    """A post of Colombo or Kathmandu, far enough apart that grouping leaves no choice."""
    root = draw(numbers)
    repost = draw(st.none() | st.integers(100, 120))
    return make_event(
        f"p{root if repost is None else repost * 100 + root}",
        f"{['water over the quay', 'roofs gone', 'bridge down'][root % 3]} {root // 6}",
        root=None if repost is None else f"p{root}",
        author=f"a{root % 5}",
        place=COLOMBO if root % 2 else KATHMANDU,
        minutes=root if repost is None else repost,
        damage="severe_damage" if root % 4 == 0 else None,
        photos=["f" * 16] if root % 4 == 0 else [],
    )


posts = st.lists(a_post(), min_size=1, max_size=25)


def facts(incidents: list[Incident]) -> list[dict]:
    return sorted((i.model_dump(exclude={"id"}) for i in incidents), key=lambda i: i["title"])


@settings(max_examples=50, deadline=None)
@given(posts, st.randoms(use_true_random=False))
def test_where_groups_are_clear_the_order_of_arrival_changes_nothing(events, random):
    shuffled = list(events)
    random.shuffle(shuffled)
    assert facts(grouped(*events)) == facts(grouped(*shuffled))


@settings(max_examples=50, deadline=None)
@given(posts)
def test_redelivered_events_change_nothing(events):
    grouping = Grouping(RULES)
    sightings = [sighting_of(event, RULES) for event in events]
    for sighting in sightings:
        grouping.add(sighting)
    grouping.changed(SOON)
    assert [grouping.add(sighting) for sighting in sightings] == [None] * len(sightings)
    assert grouping.changed(SOON) == []


@settings(max_examples=50, deadline=None)
@given(posts)
def test_counts_are_conserved(events):
    unique = {event.post.id: event for event in events}
    incidents = grouped(*events)
    assert sum(i.post_count for i in incidents) == len(unique)
    assert sum(i.repost_count for i in incidents) == sum(e.post.root_id != e.post.id for e in unique.values())
    assert sum(i.root_count for i in incidents) == len({e.post.root_id for e in unique.values()})
    for incident in incidents:
        assert incident.author_count <= incident.root_count <= incident.post_count
        assert sum(p.near_duplicates + 1 for p in incident.posts) == incident.root_count


@settings(max_examples=30, deadline=None)
@given(posts)
def test_restoring_assignments_rebuilds_the_same_incidents(events):
    first, second = Grouping(RULES), Grouping(RULES)
    for event in events:
        sighting = sighting_of(event, RULES)
        incident = first.add(sighting)
        if incident:
            second.restore(incident, sighting)
    assert first.changed(SOON) == second.changed(SOON)


# Time and memory


def test_silence_closes_and_a_late_post_opens_again_with_rising_versions():
    grouping = Grouping(RULES)
    grouping.add(sighting_of(A, RULES))
    (opened,) = grouping.changed(SOON)
    assert grouping.changed(START + timedelta(hours=6)) == []
    (closed,) = grouping.changed(START + timedelta(hours=6, minutes=1))
    assert grouping.changed(START + timedelta(hours=7)) == []
    late = make_event("b", "More water", place=COLOMBO, minutes=5.5 * 60)
    assert grouping.add(sighting_of(late, RULES)) == opened.id
    (again,) = grouping.changed(START + timedelta(hours=7))
    assert [i.status for i in (opened, closed, again)] == ["open", "closed", "open"]
    assert opened.version < closed.version < again.version


def test_the_silent_are_forgotten_wholly():
    grouping = Grouping(RULES)
    for event in (A, make_event("p", "Photo", photos=["f" * 16]), make_event("r", root="a", place=COLOMBO)):
        grouping.add(sighting_of(event, RULES))
    grouping.changed(SOON)
    assert grouping.forget(START + timedelta(hours=48)).posts == []
    forgotten = grouping.forget(START + timedelta(hours=49))
    assert sorted(forgotten.posts) == ["bluesky:a", "bluesky:p", "bluesky:r"]
    assert {post.excerpt for last in forgotten.last for post in last.posts} == {""}, "its last version keeps no text"
    assert len(grouping) == len(grouping._texts) == len(grouping._photos) == 0
    assert not any((grouping._groups, grouping._of_root, grouping._of_mark, grouping._of_event))


def test_memory_is_bounded_by_letting_the_quietest_go():
    rules = IncidentSettings(max_posts=10, min_authors=1)
    grouping = Grouping(rules)
    for i in range(30):
        event = make_event(f"p{i}", f"number{i} thing{i}", minutes=i)
        grouping.add(sighting_of(event, rules))
        grouping.forget(event.timings.produced_at)
        assert len(grouping) <= 10
    assert {i.posts[0].id for i in grouping.changed(SOON)} == {f"p{i}" for i in range(20, 30)}


# What it stands on


def test_distances_and_centres():
    assert distance_km((6.93, 79.85), (7.29, 80.63)) == pytest.approx(95, abs=2)  # Colombo to Kandy
    assert centre([(-18, 179), (-18, -179)])[1] == pytest.approx(180)
    assert distance_km((0, 179.9), (0, -179.9)) == pytest.approx(22.2, abs=0.1)


@given(st.integers(0, 2**64 - 1), st.sets(st.integers(0, 63), max_size=10))
def test_every_photo_within_the_bits_is_found_and_no_other(number, flipped):
    other = number
    for bit in flipped:
        other ^= 1 << bit
    index = PhotoIndex(6)
    index.add(f"{number:016x}")
    assert bool(index.similar(f"{other:016x}")) is (len(flipped) <= 6)


def test_similar_texts_are_found_until_discarded():
    index = TextIndex(0.35)
    text = "The bridge over the river has fallen"
    index.add(text_key(text), text)
    index.add(text_key(text), text.upper())
    assert index.similar("RT @a: The bridge over the river has fallen!") == {text_key(text): 1.0}
    assert index.similar("Please give blood") == {}
    index.discard(text_key(text))
    assert len(index) == 1
    index.discard(text_key(text))
    assert index.similar(text) == {}
    assert text_key("🌊 !!") is None


MOMENTS = st.datetimes(timezones=st.just(UTC)) | st.sampled_from([FIRST, LAST])


@given(st.lists(MOMENTS, min_size=1, max_size=4), MOMENTS)
def test_no_date_is_too_early_or_too_late_to_be_reckoned_with(written, now):
    grouping = Grouping(RULES)
    for number, moment in enumerate(written):
        sighting = sighting_of(make_event(str(number), f"text {number}", place=COLOMBO), RULES)
        grouping.add(sighting.model_copy(update={"written_at": moment, "arrived_at": moment}))
    assert sum(incident.post_count for incident in grouping.changed(now)) == len(written)
    grouping.forget(now)
    assert grouping.changed(now) == []
