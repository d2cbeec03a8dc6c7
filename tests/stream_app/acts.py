"""Acts on incidents for tests: ``from acts import dated, histories``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from stream_app.decisions.act import (
    STATUSES,
    Assign,
    Claim,
    Correct,
    Decision,
    KnownPlace,
    Merge,
    Mute,
    Note,
    SetStatus,
    Split,
    Undo,
)

START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
NAMES = st.sampled_from(["a", "b", "c", "d"])
PLAIN = st.one_of(
    st.builds(Claim),
    st.builds(Assign, to=NAMES),
    st.builds(Note, text=st.text(min_size=1, max_size=5)),
    st.builds(SetStatus, status=st.sampled_from(STATUSES)),
    st.builds(Merge, into=NAMES),
    st.builds(Split, posts=st.lists(st.sampled_from(["x:1", "x:2"]), min_size=1, max_size=2)),
    st.builds(Mute, until=st.none() | st.just(START)),
    st.builds(Correct, place=st.builds(KnownPlace, latitude=st.floats(-90, 90), longitude=st.floats(-180, 180))),
)


def dated(acts):
    return [
        Decision(id=f"n{number}", incident=incident, act=act, by=by, at=START + timedelta(seconds=number))
        for number, (incident, act, by) in enumerate(acts)
    ]


@st.composite
def histories(draw):
    """Acts in their order, some of them taking back any other, an earlier or a later one."""
    acts = draw(st.lists(st.tuples(NAMES, PLAIN, NAMES), max_size=12))
    undos = st.tuples(NAMES, st.builds(Undo, act=st.integers(0, 16).map("n{}".format)), NAMES)
    for undo in draw(st.lists(undos, max_size=5)):
        acts.insert(draw(st.integers(0, len(acts))), undo)
    return dated(acts)
