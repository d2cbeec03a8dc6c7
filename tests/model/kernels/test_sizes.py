from hypothesis import given
from hypothesis import strategies as st

from model.kernels.sizes import few


@given(st.integers(0, 100_000), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 8, 16]))
def test_a_size_is_rounded_up_a_little_and_stays(count, between, least):
    size = few(count, between, least)
    assert count <= size < count + max(count / between, least) or count == size == 0
    assert size % least == 0
    assert few(size, between, least) == size


def test_there_are_few():
    assert len({few(count) for count in range(1, 513)}) == 18
    assert {few(count, 4, 8) for count in range(1, 97)} == {8, 16, 24, 32, 40, 48, 56, 64, 80, 96}
    assert len({few(count, 8, 16) for count in range(1, 1025)}) == 32
