import asyncio
import io

import numpy as np
from PIL import Image

from stream_app.dashboard.thumbnails import LARGE_SIDE, LONG_SIDE, Thumbnails, encode, enlarge, shrink


def test_shrink_keeps_the_shape_and_drops_alpha():
    pixels = shrink(Image.new("RGBA", (2000, 1000), (200, 10, 10, 128)))
    assert pixels.shape == (LONG_SIDE // 2, LONG_SIDE, 3)
    assert pixels.dtype == np.uint8


def test_a_large_one_fills_a_screen_and_no_more():
    assert enlarge(Image.new("RGB", (4000, 2000))).shape == (LARGE_SIDE // 2, LARGE_SIDE, 3)
    assert enlarge(Image.new("RGB", (300, 200))).shape == (200, 300, 3)


def test_small_images_are_not_blown_up():
    assert shrink(Image.new("L", (40, 30))).shape == (30, 40, 3)


def test_the_encoded_copy_is_a_plain_jpeg():
    with Image.open(io.BytesIO(encode(np.full((30, 40, 3), 90, np.uint8)))) as image:
        assert (image.format, image.size) == ("JPEG", (40, 30))
        assert not image.getexif()


async def test_one_fetch_for_many_browsers(make_bench):
    bench = make_bench()
    thumbnails = Thumbnails(bench.fetcher, 10)
    copies = await asyncio.gather(*(thumbnails.get("https://example.org/a.jpg") for _ in range(20)))
    assert len(set(copies)) == 1
    assert bench.fetcher.asked == ["https://example.org/a.jpg"]


async def test_the_cache_is_bounded_and_drops_the_least_recently_shown(make_bench):
    bench = make_bench()
    thumbnails = Thumbnails(bench.fetcher, 2)
    for name in "abacab":
        await thumbnails.get(name)
    assert bench.fetcher.asked == ["a", "b", "c", "b"]


async def test_a_failure_is_not_remembered(make_bench):
    bench = make_bench()
    thumbnails = Thumbnails(bench.fetcher, 2)
    assert await thumbnails.get("broken") is None
    assert await thumbnails.get("broken") is None
    assert bench.fetcher.asked == ["broken", "broken"]


async def test_a_browser_that_leaves_does_not_spoil_it_for_the_next(make_bench):
    thumbnails = Thumbnails(make_bench().fetcher, 2)
    leaving = asyncio.create_task(thumbnails.get("a"))
    await asyncio.sleep(0)
    leaving.cancel()
    assert (await thumbnails.get("a")).sha256 == "5" * 64
