"""What is asked of the C library, and that the user's own choice stands."""

import pytest

from model.kernels import heap


@pytest.fixture
def asked(monkeypatch):
    calls = []

    class Libc:
        mallopt = staticmethod(lambda *arguments: calls.append(("mallopt", *arguments)))
        malloc_trim = staticmethod(lambda *arguments: calls.append(("malloc_trim", *arguments)))

    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: Libc)
    return calls


def test_threads_share_one_heap_unless_the_user_says(asked, monkeypatch):
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    heap.share_heap()
    assert asked == []
    monkeypatch.delenv("MALLOC_ARENA_MAX")
    heap.share_heap()
    heap.give_back()
    assert asked == [("mallopt", -8, 1), ("malloc_trim", 0)]


def test_another_c_library_is_asked_for_nothing(monkeypatch):
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(heap.ctypes, "CDLL", lambda _: object())
    heap.share_heap()
    heap.give_back()
