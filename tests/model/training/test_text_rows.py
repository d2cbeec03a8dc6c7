"""Which rows the text layers learn from, and in which batches."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from model.data.rows import Row
from model.encoders.clean import clean
from model.training.text import _batches, distinct, without_leaks

TEXT = st.sampled_from([None, "", "Flood", "flood", "FLOOD https://t.co/x", "Fire in town", "Cake"])
ROW = st.builds(
    lambda group, text, agreed: Row("k", group, "e", "train", text, agreed={"informativeness": "x"} if agreed else {}),
    st.integers(0, 5),
    TEXT,
    st.booleans(),
)
ROWS = st.lists(ROW, max_size=20)


def words(row):
    return clean(row.text or "").lower()


@given(ROWS, ROWS)
def test_nothing_held_out_is_learned_and_nothing_else_is_lost(train, held):
    kept = without_leaks(train, held)
    leaks = [row for row in train if any(row.group == h.group or words(row) == words(h) != "" for h in held)]
    assert kept == [row for row in train if row not in leaks]


@given(ROWS)
def test_each_text_is_learned_once_and_from_a_copy_that_judges_agree_on(rows):
    kept = distinct(rows)
    assert sorted(map(words, kept)) == sorted({words(row) for row in rows} - {""})
    for row in kept:
        assert bool(row.agreed) == any(other.agreed for other in rows if words(other) == words(row))


@given(st.lists(st.integers(1, 96), max_size=300), st.integers(1, 9), st.integers(0, 3))
def test_an_epoch_holds_every_row_once_in_batches_of_like_length(lengths, size, seed):
    batches = _batches(lengths, size, seed)
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    assert all(len(batch) <= size for batch in batches)
    assert all(lengths[a] <= lengths[b] for batch in batches for a, b in itertools.pairwise(batch))
    assert batches == _batches(lengths, size, seed)


def test_another_seed_is_another_order():
    assert _batches(list(range(200)), 8, 0) != _batches(list(range(200)), 8, 1)
