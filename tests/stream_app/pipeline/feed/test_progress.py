"""What is committed says exactly which offsets are finished, in whatever order they finish."""

import random

from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.feed.progress import MAX_AHEAD, Progress, decode_ahead, encode_ahead

OFFSETS = st.sets(st.integers(0, 3000), min_size=1, max_size=60)


@given(st.integers(0, 10**12), st.sets(st.integers(0, MAX_AHEAD - 1), max_size=200))
def test_offsets_ahead_survive_the_metadata(position, ahead):
    offsets = {position + each for each in ahead}
    written = encode_ahead(position, offsets)
    assert decode_ahead(position, written) == offsets
    assert len(written) <= 4096


def test_what_was_read_past_counts_once_nothing_is_open():
    progress = Progress(5)
    assert progress.arrive(5)
    assert progress.reached(7) == 5, "5 is open"
    progress.finish([5])
    assert progress.reached(7) == 7, "6 was a marker"
    assert progress.reached(-1) == 6, "nothing known of what is read"


@given(st.text())
def test_metadata_of_somebody_else_means_nothing_finished(text):
    assert decode_ahead(5, "other:" + text) == set()
    assert all(offset >= 5 for offset in decode_ahead(5, "ahead1:" + text))


@given(OFFSETS, st.data())
def test_a_successor_reads_exactly_what_was_not_finished(offsets, data):
    arrived = sorted(offsets)
    progress = Progress(arrived[0])
    assert all(progress.arrive(offset) for offset in arrived)
    order = data.draw(st.permutations(arrived))
    finished = order[: data.draw(st.integers(0, len(order)))]
    committed, todo = progress.after(()), list(finished)
    while todo:
        size = data.draw(st.integers(1, len(todo)))
        batch, todo = todo[:size], todo[size:]
        committed = progress.after(batch)
        progress.finish(batch)
    successor = Progress(*committed)
    reread = [offset for offset in arrived if offset >= committed[0] and successor.arrive(offset)]
    assert set(reread) == offsets - set(finished)
    assert successor.after(reread) == (arrived[-1] + 1, "")


@given(OFFSETS)
def test_a_failed_transaction_changes_nothing(offsets):
    progress = Progress(0)
    for offset in sorted(offsets):
        progress.arrive(offset)
    before = progress.after(())
    progress.after(offsets)
    assert progress.after(()) == before


def test_everything_finished_leaves_only_a_position():
    progress = Progress(0)
    for offset in range(100):
        progress.arrive(offset)
    order = list(range(100))
    random.Random(1).shuffle(order)
    for offset in order:
        progress.finish([offset])
    assert progress.after(()) == (100, "")


def test_what_cannot_be_marked_must_wait():
    progress = Progress(0)
    progress.arrive(0)
    progress.arrive(MAX_AHEAD)
    assert not progress.fits(MAX_AHEAD)
    progress.finish([0])
    assert progress.fits(MAX_AHEAD)
