"""What moved a label: found by leaving out, shown only where it moved, and told where nothing can be asked."""

import asyncio
import threading

import aiohttp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.scorer import NO_IMAGE, ConceptScore, ContextFacts, Explanation, ModelInfo, Scored
from stream_app.dashboard.explainer import Explainer, UnexplainedError
from stream_app.dashboard.reasons import PIECES, Asked, pieces, reasons
from stream_app.dashboard.state import card_id
from stream_app.dashboard.thumbnails import Thumbnails
from stream_app.settings import ModelSettings

PHOTO = {"url": "https://photos.example.org/quay.jpg", "status": "used", "sha256": "5" * 64}
RED = np.array([200, 30, 30], np.uint8)


class Weigher:
    """Flood by .3, and .2 for the word "water", .2 for red top left, .2 more for both, .05 for an hour."""

    info = ModelInfo("fixed", "1", "0" * 64)
    image_size = 8

    def prepare(self, image):
        return np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.NEAREST))

    def score(self, posts):
        return [self._of(post) for post in posts]

    def _of(self, post):
        word = "water" in post.text
        red = any((image[0, 0] == RED).all() for image in post.images)
        share = 0.3 + 0.2 * word + 0.2 * red + 0.2 * (word and red) + 0.05 * (post.context.hour is not None)
        flood = ConceptScore("flood", share, {"flood": share, "none": 1 - share})
        return Scored({"humanitarian": flood, "damage": NO_IMAGE}, Explanation((), {}, {}))


def red_corner():
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:16, :16] = RED
    return Image.fromarray(pixels)


def test_each_part_the_pair_the_word_and_the_region_are_found():
    found = reasons(Weigher(), Asked("the water rises", (red_corner(),), ContextFacts(hour=3.0)))
    assert found.keys() == {"humanitarian"}, "damage has no label"
    said = found["humanitarian"]
    assert said["share"] == pytest.approx(0.95)
    assert {each["part"]: round(each["share"], 2) for each in said["without"]} == {
        "text": 0.55,
        "image": 0.55,
        "context": 0.9,
    }
    assert (said["pair"]["one"], said["pair"]["other"]) == ("text", "image")
    assert said["pair"]["change"] == pytest.approx(0.2)
    ((start, end, change),) = said["words"]
    assert ("the water rises"[start:end], round(change, 2)) == ("water", -0.4)
    assert said["region"]["box"] == (0, 0, 0.25, 0.25)


def test_what_moved_nothing_is_not_named():
    said = reasons(Weigher(), Asked("calm here", (Image.new("RGB", (9, 9)),), ContextFacts()))["humanitarian"]
    assert (said["without"], said["pair"], said["words"], said["region"]) == ([], None, [], None)


def test_one_of_several_photos_is_named_by_its_number():
    said = reasons(Weigher(), Asked("", (Image.new("RGB", (9, 9)), red_corner()), ContextFacts()))["humanitarian"]
    assert [each["photo"] for each in said["without"] if each["part"] == "photo"] == [1]


@given(st.text(max_size=600))
def test_pieces_are_few_in_order_and_leave_no_letter_out(text):
    found = pieces(text)
    assert len(found) <= PIECES
    assert len(found) != 1
    assert found == sorted(found)
    if found:
        assert "".join("".join(text[a:b] for a, b in found).split()) == "".join(text.split())


def explainer(make_bench, scorer=None, **options):
    return Explainer(ModelSettings(), Thumbnails(make_bench().fetcher, 9), lambda _: scorer or Weigher(), **options)


async def problem(asked, event):
    with pytest.raises(UnexplainedError) as raised:
        await asked.why(event)
    return raised.value.problem


async def test_an_answer_is_made_once(make_bench, make_event):
    loaded = []
    asked = Explainer(ModelSettings(), Thumbnails(make_bench().fetcher, 9), lambda _: loaded.append(1) or Weigher())
    event = make_event(1, text="water on the quay", media=[PHOTO])
    first, again = await asyncio.gather(asked.why(event), asked.why(make_event(2, text="water")))
    assert first["humanitarian"]["share"] > again["humanitarian"]["share"] - 0.3
    assert await asked.why(event) is first
    assert loaded == [1]
    asked.close()


async def test_why_there_is_none_is_told(make_bench, make_event):
    def refuse(_):
        raise FileNotFoundError("no such folder")

    thumbnails = Thumbnails(make_bench().fetcher, 9)
    assert await problem(Explainer(None, thumbnails), make_event(1)) == "off"
    assert await problem(Explainer(ModelSettings(), thumbnails, refuse), make_event(1)) == "no_model"
    other = make_event(1, model={"name": "fixed", "version": "2", "hash": "1" * 64})
    assert await problem(explainer(make_bench), other) == "other_model"
    assert await problem(explainer(make_bench), make_event(1, media=[{**PHOTO, "sha256": "6" * 64}])) == "photo"
    broken = {**PHOTO, "url": "https://photos.example.org/broken.jpg"}
    assert await problem(explainer(make_bench), make_event(1, media=[broken])) == "photo"


async def test_questions_wait_few_at_a_time_and_not_for_ever(make_bench, make_event):
    go = threading.Event()

    class Slow(Weigher):
        def score(self, posts):
            go.wait(30)
            return super().score(posts)

    asked = explainer(make_bench, Slow())
    waiting = [asyncio.create_task(asked.why(make_event(number))) for number in range(4)]
    await asyncio.sleep(0)
    assert await problem(asked, make_event(9)) == "busy"
    impatient = explainer(make_bench, Slow(), timeout_s=0.01)
    assert await problem(impatient, make_event(1)) == "timeout"
    go.set()
    assert len(await asyncio.gather(*waiting)) == 4


async def test_the_page_asks_for_a_card_on_show(make_bench, make_event):
    bench = make_bench()
    event = make_event(1, text="the bridge collapsed today", humanitarian="infrastructure_and_utility_damage")
    bench.state.add_event(event, event.timings.produced_at)
    async with bench.serve() as address, aiohttp.ClientSession(headers={"Origin": address.rstrip("/")}) as web:
        async with web.post(f"{address}why", json={"card": card_id("bluesky", "p1")}) as response:
            said = (await response.json())["humanitarian"]
        async with web.post(f"{address}why", json={"card": "nosuch"}) as response:
            assert (response.status, await response.json()) == (404, {"problem": "gone"})
    assert [event.post.text[start:end] for start, end, _ in said["words"]] == ["collapsed"]
