"""What bursts and what does not; photos that were seen before."""

from __future__ import annotations

from datetime import timedelta

import pytest
from factories import START, make_event, make_place
from hypothesis import given
from hypothesis import strategies as st

from stream_app.incidents.bursts import Bursts, PhotosSeen
from stream_app.incidents.emerging import Glimpse, Gone, Seen, glimpse_of
from stream_app.settings import EmergingSettings

RULES = EmergingSettings(min_past=20)
PHOTO, NEARLY, OTHER = "ffff0000ffff0000", "ffff0000ffff0001", "0f0f0f0f0f0f0f0f"


def nothing_covered(_post):
    return False


def glimpse(name, text, minutes, author=None, photos=(), place=None):
    found = glimpse_of(make_event(name, text, minutes=minutes, author=author or name, photos=photos, place=place))
    assert isinstance(found, Glimpse)
    return found


def quiet_past(bursts, posts=40):
    for number in range(posts):
        bursts.add(glimpse(f"old{number}", "water prices rise again", number))
    bursts.forget(START + timedelta(minutes=70))


def test_a_word_by_several_authors_bursts():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    for number in range(6):
        bursts.add(glimpse(f"new{number}", f"explosion at the harbour number {number}", 61 + number))
    told = {each.id: each for each in bursts.changed(nothing_covered)}
    assert "word:explosion" in told
    found = told["word:explosion"]
    assert (found.posts, found.authors, found.expected) == (6, 6, 0)
    assert found.score >= RULES.min_score
    assert found.since == START + timedelta(minutes=61)
    assert bursts.changed(nothing_covered) == []


def test_what_people_always_say_does_not():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    for number in range(12):
        bursts.add(glimpse(f"new{number}", "water prices rise again", 61 + number / 2))
    assert bursts.changed(nothing_covered) == []


def test_one_author_does_not():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    for number in range(12):
        bursts.add(glimpse(f"new{number}", "explosion", 61, author="shouter"))
    assert bursts.changed(nothing_covered) == []


def test_what_an_incident_has_does_not():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    for number in range(6):
        bursts.add(glimpse(f"new{number}", "explosion", 61))
    assert bursts.changed(lambda post: not post.endswith("new0")) == []


def test_nothing_bursts_before_there_is_a_past():
    bursts = Bursts(RULES)
    for number in range(30):
        bursts.add(glimpse(f"new{number}", "explosion", 1))
    assert bursts.changed(nothing_covered) == []


def test_a_burst_ends():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    for number in range(6):
        bursts.add(glimpse(f"new{number}", "explosion", 61))
    assert [each.status for each in bursts.changed(nothing_covered)] == ["rising"]
    bursts.forget(START + timedelta(minutes=90))
    assert [(each.id, each.status) for each in bursts.changed(nothing_covered)] == [("word:explosion", "over")]
    assert bursts.changed(nothing_covered) == []


def test_a_place_bursts_too():
    bursts = Bursts(RULES)
    quiet_past(bursts)
    place = make_place(name="Galle")
    for number in range(6):
        bursts.add(glimpse(f"new{number}", "?" * number, 61, place=place))
    assert [each.id for each in bursts.changed(nothing_covered)] == ["place:Galle"]


def test_an_old_picture_is_told_of_at_once():
    bursts, photos = Bursts(RULES), PhotosSeen(RULES)
    photos.restore(PHOTO, Seen(at=START - timedelta(days=3), event_id="e", place="Valencia"))
    again = glimpse("again", "look", 1, photos=[NEARLY])
    assert photos.see(again) == []
    bursts.add(again)
    bursts.add(glimpse("fresh", "look", 1, photos=[OTHER]))
    (told,) = bursts.changed(nothing_covered, photos.first)
    assert (told.id, told.first_seen.place, told.posts) == (f"photo:{NEARLY}", "Valencia", 1)


def test_photos_are_forgotten():
    photos = PhotosSeen(EmergingSettings(photos=1))
    for number, photo in enumerate((PHOTO, OTHER)):
        assert photos.see(glimpse(f"p{number}", "look", number, photos=[photo])) == [photo]
    assert photos.forget(START) == [PHOTO]
    assert photos.first(PHOTO) is None
    assert photos.forget(START + timedelta(days=40)) == [OTHER]


def test_what_was_withdrawn_counts_no_more():
    bursts, photos = Bursts(RULES), PhotosSeen(RULES)
    quiet_past(bursts)
    new = [glimpse(f"new{number}", "explosion", 61, photos=[OTHER]) for number in range(6)]
    for each in new:
        bursts.add(each)
        photos.see(each)
    assert bursts.take(Gone(author="new0")) == ["bluesky:new0"]
    assert bursts.take(Gone(post="bluesky:old3")) == ["bluesky:old3"]
    assert bursts.take(Gone(post="bluesky:new1", events=(new[0].event_id,))) == ["bluesky:new1"]
    assert photos.take(Gone(post="bluesky:new0", events=(new[0].event_id,))) == [OTHER]
    assert photos.first(OTHER) is None
    assert {each.posts for each in bursts.changed(nothing_covered)} == {4}


@pytest.mark.parametrize(
    "event",
    [make_event(humanitarian="not_humanitarian"), make_event(root="p0")],
    ids=["not informative", "a repost"],
)
def test_what_does_not_count(event):
    assert glimpse_of(event) is None


@given(st.lists(st.tuples(st.integers(0, 300), st.sampled_from(["a", "b", "aaaa bbbb", "bbbb cccc"])), max_size=40))
def test_counts_end_where_they_began(posts):
    bursts = Bursts(EmergingSettings(min_past=1))
    for number, (minute, text) in enumerate(sorted(posts)):
        new = glimpse(f"p{number}", text, minute)
        assert isinstance(new, Glimpse)
        bursts.add(new)
        bursts.add(new)
        bursts.forget(new.at)
        bursts.changed(nothing_covered)
    assert len(bursts.forget(START + timedelta(days=2))) <= len(posts)
    assert len(bursts) == 0
    assert not bursts._now
    assert not bursts._before
