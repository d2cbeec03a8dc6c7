"""Batches are full or punctual; what was labelled is found again; one bad post costs only itself."""

import asyncio
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model.scorer import PostInput, Scored
from model.serving.fixed import FixedScorer
from stream_app.pipeline.labelling.batcher import Batcher
from stream_app.pipeline.labelling.describe import describe
from stream_app.pipeline.labelling.memory import Known, Memory
from stream_app.pipeline.labelling.scoring import ModelBrokenError, score_each
from stream_app.pipeline.posts.post import Post


async def test_a_full_batch_does_not_wait():
    batcher = Batcher(3, deadline_s=60)
    for item in range(7):
        batcher.add(item)
    assert [await batcher.take(), await batcher.take()] == [[0, 1, 2], [3, 4, 5]]
    assert len(batcher) == 1


async def test_a_lone_post_waits_for_the_deadline_and_no_longer():
    batcher = Batcher(64, deadline_s=0.1)
    batcher.add("a")
    began = time.monotonic()
    assert await asyncio.wait_for(batcher.take(), 60) == ["a"]
    assert time.monotonic() - began >= 0.08


async def test_a_batch_that_fills_while_waiting_goes_at_once():
    batcher = Batcher(2, deadline_s=60)
    taking = asyncio.create_task(batcher.take())
    await asyncio.sleep(0)
    batcher.add(1)
    await asyncio.sleep(0)
    batcher.add(2)
    assert await asyncio.wait_for(taking, 30) == [1, 2]


async def test_a_batch_that_is_not_full_waits_for_the_model_and_grows():
    batcher = Batcher(3, deadline_s=0.01)
    batcher.add(1)
    assert await batcher.take() == [1]
    batcher.add(2)
    taking = asyncio.create_task(batcher.take())
    await asyncio.sleep(0.05)
    assert not taking.done(), "the model is busy: who comes now may still join"
    batcher.add(3)
    batcher.done()
    assert await asyncio.wait_for(taking, 30) == [2, 3]


@settings(max_examples=30)
@given(
    st.integers(1, 4),
    st.integers(1, 2),
    st.lists(st.one_of(st.tuples(st.just("add"), st.integers(0, 2)), st.just(("done", 0))), max_size=30),
)
def test_a_batch_goes_when_it_is_full_or_late_with_room_beside_it_and_every_post_goes_once(size, beside, steps):
    async def play():
        batcher = Batcher(size, deadline_s=0, beside=beside)
        waiting = {lane: [] for lane in range(3)}
        out, number, taking = 0, 0, asyncio.create_task(batcher.take())
        for step, lane in [*steps, *[("done", 0)] * (len(steps) + 1)]:
            if step == "add":
                batcher.add((lane, number), lane)
                waiting[lane].append((lane, number))
                number += 1
            elif out:
                batcher.done()
                out -= 1
            while True:
                for _ in range(4):
                    await asyncio.sleep(0)
                left = sum(map(len, waiting.values()))
                assert taking.done() == (left >= size or (left > 0 and out < beside))
                if not taking.done():
                    break
                out += 1
                assert len(taking.result()) == min(left, size)
                for each in taking.result():
                    assert waiting[each[0]].pop(0) == each, "one lane's oldest first"
                taking = asyncio.create_task(batcher.take())
        taking.cancel()
        assert not any(waiting.values())

    asyncio.run(play())


async def test_two_small_batches_go_side_by_side_where_the_model_has_room():
    batcher = Batcher(64, deadline_s=0.01, beside=2)
    for item in range(2):
        batcher.add(item)
        assert await asyncio.wait_for(batcher.take(), 30) == [item]
    batcher.add(2)
    taking = asyncio.create_task(batcher.take())
    await asyncio.sleep(0.05)
    assert not taking.done()
    batcher.done()
    assert await asyncio.wait_for(taking, 30) == [2]


async def test_a_full_batch_does_not_wait_for_the_model():
    batcher = Batcher(2, deadline_s=60)
    for item in range(4):
        batcher.add(item)
    assert await batcher.take() == [0, 1]
    assert await asyncio.wait_for(batcher.take(), 30) == [2, 3]


async def test_lanes_take_turns_so_that_a_fresh_post_is_not_behind_a_backlog():
    batcher = Batcher(4, deadline_s=60)
    for item in range(100):
        batcher.add(item, lane=0)
    batcher.add("fresh", lane=1)
    assert await batcher.take() == [0, "fresh", 1, 2]
    assert await batcher.take() == [3, 4, 5, 6]
    batcher.clear()
    assert len(batcher) == 0


async def test_the_newest_goes_first_where_that_is_asked_for():
    batcher = Batcher(3, deadline_s=60, newest_first=True)
    for item in range(100):
        batcher.add(item, lane=0, written=item)
    for number, item in enumerate(("fresh", "fresher")):
        batcher.add(item, lane=1, written=1000 + number)
    assert await batcher.take() == ["fresh", "fresher", 0]
    assert await batcher.take() == [1, 2, 3]


def test_memory_forgets_what_was_not_used_for_longest():
    memory = Memory(2)
    for name in "abc":
        memory.remember((f"root:{name}", f"same:{name}"), Known(labelled(name)))
    assert memory.find(["root:a"]) is None
    assert memory.find(["nothing", "same:b"]).labelling == labelled("b")
    assert len(memory) == 4


def test_a_memory_of_nothing_remembers_nothing():
    memory = Memory(0)
    memory.remember(("a",), Known(labelled("x")))
    assert memory.find(["a"]) is None


def labelled(name):
    post = Post(
        network="other", id=name, root_id=name, text=f"the bridge collapsed {name}", created_at="2026-03-01T00:00:00Z"
    )
    scorer = FixedScorer()
    return describe(post, (), *scorer.score([PostInput(post.text)]), scorer.info)


class Picky(FixedScorer):
    def __init__(self):
        self.calls = 0

    def score(self, posts):
        self.calls += 1
        if any(post.text == "bad" for post in posts):
            raise ValueError("bad")
        return super().score(posts)


@given(st.lists(st.booleans(), max_size=100))
def test_exactly_the_bad_posts_fail(bad):
    answers = score_each(Picky(), [PostInput("bad" if each else "flood") for each in bad])
    assert [isinstance(answer, Scored) for answer in answers] == [not each for each in bad]


def test_finding_one_bad_post_takes_few_calls():
    scorer = Picky()
    score_each(scorer, [PostInput("bad" if i == 37 else "flood") for i in range(64)])
    assert scorer.calls <= 13


def test_a_model_that_fails_on_everything_is_not_the_posts_fault():
    class Broken(FixedScorer):
        def score(self, posts):
            raise RuntimeError("out of memory")

    with pytest.raises(ModelBrokenError, match="out of memory"):
        score_each(Broken(), [PostInput("a"), PostInput("b")])


def test_a_model_that_answers_for_too_few_is_not_believed():
    class Short(FixedScorer):
        def score(self, posts):
            return super().score(posts)[: 1 if len(posts) > 1 else None]

    assert all(isinstance(answer, Scored) for answer in score_each(Short(), [PostInput("a"), PostInput("b")]))
