"""Withdrawals and edits: what incidents let go of, what they say then, and what outlives a restart."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from factories import START, make_event, make_place
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.incidents.app import _SIFTED, _Keeper
from stream_app.incidents.health import Health
from stream_app.incidents.incident import Incident
from stream_app.incidents.taken import read_event
from stream_app.pipeline.events.event import Event, Withdrawn
from stream_app.settings import IncidentSettings, Settings

RULES = IncidentSettings(min_authors=1)
COLOMBO = make_place()


class Keeper(_Keeper):
    """A keeper whose table is a dict, and which notes what it would publish."""

    def __init__(self, table: dict[bytes, bytes] | None = None, rules: IncidentSettings = RULES) -> None:
        self.sent: list[Incident] = []
        super().__init__(Settings(incidents=rules), {} if table is None else table, None, Health())

    async def _send(self, incident: Incident) -> None:
        self.sent.append(Incident.model_validate_json(incident.model_dump_json()))

    def read(self, *events: Event) -> list[Incident]:
        """Incidents published after these events, which travel as they do between the two agents."""

        async def values():
            for event in events:
                found = read_event(event, self._settings.incidents)
                if found is not None:
                    yield found.model_dump_json().encode()

        before = len(self.sent)
        asyncio.run(self.keep(values()))
        asyncio.run(self.publish())
        return self.sent[before:]

    def again(self) -> _Keeper:
        """Another one on the same table, as after a crash."""
        other = Keeper(dict(self._table), self._settings.incidents)
        asyncio.run(other.recover())
        return other


def withdrawn(event: Event, *, minutes: float = 10.0, network: str = "bluesky", **how) -> Event:
    """What the worker publishes of a withdrawal of ``event``."""
    at = START + timedelta(minutes=minutes)
    labels = {task: {"label": None, "reason": "withdrawn"} for task in ("informativeness", "humanitarian", "damage")}
    post = event.post.model_copy(update={"text": "", "url": None, "place": None})
    taken = Withdrawn(**{"reason": "deleted", "events": (event.id,), **how})
    about = {"withdrawn": taken, "labels": labels, "media": (), "post": post, "timings": {"produced_at": at}}
    return Event.model_validate(event.model_dump() | about)


def edited(event: Event, text: str, minutes: float = 5.0, **changes) -> Event:
    made = make_event(
        event.post.id, text, minutes=minutes, author=event.post.author_key, **{"place": COLOMBO} | changes
    )
    return made.model_copy(update={"id": f"{event.id}-{minutes}", "supersedes": event.id})


A = make_event("a", "12 dead, water over the quay", author="A", place=COLOMBO)
B = make_event("b", "Roofs gone", author="B", place=COLOMBO, minutes=1)
C = make_event("c", A.post.text, root="a", author="A", minutes=2, place=COLOMBO)


def test_what_is_withdrawn_leaves_its_incident_with_its_reposts():
    keeper = Keeper()
    [before] = keeper.read(A, B, C)
    [after] = keeper.read(withdrawn(A))
    assert (before.post_count, before.author_count, after.post_count, after.author_count) == (3, 2, 1, 1)
    assert (before.repost_count, after.repost_count, after.members) == (1, 0, ("bluesky:b",))
    assert after.version > before.version
    assert after.id == before.id
    assert after.severity_score < before.severity_score
    assert "12 dead" not in after.model_dump_json()
    assert b"12 dead" not in b"".join(keeper._table.values())
    assert keeper.read(A, C) == [], "what was labelled before it was withdrawn does not come back"
    [again] = keeper.read(make_event("a", "Back again", author="A", place=COLOMBO, minutes=20))
    assert again.post_count == 2, "what is labelled later does"


def test_an_incident_that_was_told_of_and_loses_all_its_posts_ends():
    keeper = Keeper(rules=IncidentSettings())
    [shown] = keeper.read(A, B)
    [fewer] = keeper.read(withdrawn(B))
    assert fewer.author_count == 1, "told of though one author is too few for a new incident"
    [end] = keeper.read(withdrawn(A))
    assert (end.id, end.status, end.post_count, end.posts, end.members, end.place) == (
        shown.id,
        "closed",
        0,
        (),
        (),
        None,
    )
    assert shown.version < fewer.version < end.version
    assert [key for key in keeper._table if key.startswith(b"\0lost")] == []
    assert keeper.read(B) == []
    unseen = Keeper(rules=IncidentSettings())
    assert unseen.read(A, withdrawn(A)) == [], "nobody was told of it"


def test_an_end_that_was_not_told_before_a_crash_is_told_after_it():
    keeper = Keeper()
    keeper.read(A)
    keeper._take(read_event(withdrawn(A), RULES))
    other = keeper.again()
    [end] = other.read()
    assert end.post_count == 0


def test_a_repost_goes_by_itself():
    [incident] = Keeper().read(A, B, C, withdrawn(C))
    assert (incident.post_count, incident.repost_count, incident.root_count) == (2, 0, 2)


def test_two_that_were_alike_only_by_what_is_gone_are_two_witnesses():
    words = [f"word{i}" for i in range(16)]
    texts = [" ".join(words), " ".join([*words[:-2], "x1", "x2"]), " ".join(["y1", "y2", *words[2:]])]
    events = [make_event(f"w{i}", text, author=f"{i}", place=COLOMBO, minutes=i) for i, text in enumerate(texts)]
    keeper = Keeper()
    [before] = keeper.read(*events)
    [after] = keeper.read(withdrawn(events[0]))
    assert (before.near_duplicate_count, before.author_count) == (2, 1)
    assert (after.near_duplicate_count, after.author_count) == (0, 2)


@pytest.mark.parametrize("first", [(A, B, C), (C, A, B)], ids=["root first", "repost first"])
def test_an_authors_posts_go_also_when_they_come_after_the_withdrawal(first):
    whole = withdrawn(A, whole_author=True, events=("none",))
    [after] = Keeper().read(*first, whole)
    [late] = Keeper().read(whole, *first)
    assert (after.members, late.members) == (("bluesky:b",), ("bluesky:b",))


def test_only_the_place_goes():
    at = make_event("a", "Water over the quay", author="A", place=make_place(source="point"))
    keeper = Keeper()
    [before] = keeper.read(at)
    [after] = keeper.read(withdrawn(at, place_only=True))
    assert before.place
    assert (after.place, after.post_count) == (None, 1)
    assert after.version > before.version
    [named] = keeper.read(withdrawn(A, place_only=True)) or keeper.again().read()
    assert named.post_count == 1


def test_an_edit_takes_the_place_of_its_first_version():
    keeper = Keeper()
    [before] = keeper.read(A, B, C)
    [after] = keeper.read(edited(A, "3 injured, water over the quay"))
    assert (after.id, after.post_count, after.repost_count) == (before.id, 3, 1)
    assert "12 dead" not in after.model_dump_json()
    assert b"12 dead" not in b"".join(keeper._table.values()), "nor in the repost"
    assert {post.excerpt for post in after.posts} == {"3 injured, water over the quay", "Roofs gone"}
    assert after.version > before.version
    assert after.severity_score < before.severity_score
    assert keeper.read(edited(A, "3 injured, water over the quay")) == [], "delivered again"
    assert keeper.read(A) == [], "the first version comes again"


def test_an_edit_that_is_a_false_alarm_leaves_the_incident_and_a_lone_one_ends():
    calm = edited(A, "false alarm, all is well", humanitarian="not_humanitarian")
    keeper = Keeper()
    keeper.read(A, B, C)
    [after] = keeper.read(calm)
    assert (after.post_count, after.members) == (1, ("bluesky:b",))
    lone = Keeper()
    lone.read(A)
    [end] = lone.read(calm)
    assert end.post_count == 0


def test_a_lone_post_that_is_edited_stays_the_incident_it_is():
    keeper = Keeper()
    [before] = keeper.read(A)
    [after] = keeper.read(edited(A, "Nothing like it, but the road is gone", place=None))
    assert (after.id, after.post_count) == (before.id, 1)


def test_an_edit_under_an_id_of_its_own_supersedes_by_the_event():
    keeper = Keeper()
    [before] = keeper.read(A, C)
    second = make_event("a2", "Nobody dead, water over the quay", author="A", place=COLOMBO, minutes=3)
    [after] = keeper.read(second.model_copy(update={"supersedes": A.id}), withdrawn(A, edited_to=second.id))
    assert (after.id, after.members, after.repost_count) == (before.id, ("bluesky:a2",), 1)
    assert b"12 dead" not in b"".join(keeper._table.values())


TEXTS = ["Water over the quay", "Water over the old quay", "Roofs gone", "14 dead"]


def post_of(number: int, root: int, author: str | None) -> Event:
    """The number-th post, a repost where ``root`` is smaller; it says and shows what its root does."""
    root = min(root, number)
    places = (None, COLOMBO, make_place(27.7, 85.3, name="Kathmandu"))
    return make_event(
        f"p{number}",
        TEXTS[root % 4],
        root=f"p{root}" if root < number else None,
        author=author,
        place=places[root % 3],
        minutes=number,
    )


posts = st.dictionaries(
    st.integers(0, 9), st.tuples(st.integers(0, 19), st.sampled_from(["A", "B", "C", None])), max_size=8
).map(lambda found: [post_of(number, *about) for number, about in sorted(found.items())])


@settings(max_examples=15, deadline=None)
@given(posts, st.lists(st.tuples(st.integers(0, 7), st.sampled_from(["post", "author", "edit"])), max_size=4))
def test_what_is_left_is_what_a_restart_finds_and_versions_only_rise(events, taken):
    keeper = Keeper()
    keeper.read(*events)
    for at, how in taken:
        if at < len(events):
            event = events[at]
            keeper.read(
                edited(event, f"Now {at} roofs gone", minutes=30 + at)
                if how == "edit"
                else withdrawn(event, minutes=40, whole_author=how == "author", events=(event.id,))
            )
    versions = {}
    for incident in keeper.sent:
        assert incident.version > versions.get(incident.id, 0)
        versions[incident.id] = incident.version
    last = {incident.id: incident for incident in keeper.sent if incident.post_count}
    other = keeper.again()
    found = {incident.id: incident for incident in other.read()}
    assert {name: found[name] for name in found} == {name: last[name] for name in found}
    assert sum(incident.post_count for incident in found.values()) == len(keeper._grouping) == len(other._grouping)
    grouping = keeper._grouping
    assert set(grouping._of_event.values()) == set(grouping._of_post)
    assert len(_SIFTED.json_schema()["anyOf"]) == 2
