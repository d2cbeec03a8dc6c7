"""The invented history is the same each time, in all formats, and its pictures are what their names say."""

from __future__ import annotations

import io
import re
from collections import Counter
from datetime import timedelta

import aiohttp
import pytest
from PIL import Image

from model.scorer import PostInput
from stream_app.pipeline.posts.parse import PostError, parse_post
from stream_app.proving.demo.history import history
from stream_app.proving.demo.host import picture_host
from stream_app.proving.demo.pictures import VARIANTS, picture
from stream_app.proving.demo.story import CHAPTERS, chapter_at


def parsed():
    for line in history("http://127.0.0.1:1"):
        try:
            yield parse_post(line)
        except PostError:
            continue


def test_it_is_the_same_each_time():
    assert list(history("http://h")) == list(history("http://h"))


def test_every_line_is_one_line():
    assert not any(b"\n" in line or not line.strip() for line in history("http://h"))


def test_it_has_every_network_and_about_45_in_100_reposts():
    posts = list(parsed())
    assert {post.network for post in posts} == {"x", "bluesky", "mastodon", "other"}
    assert 0.4 <= Counter(post.kind for post in posts)["repost"] / len(posts) <= 0.5
    assert len({post.language for post in posts}) >= 3


def test_it_runs_forward():
    times = [int(post.created_at.timestamp()) for post in parsed()]  # some formats keep whole seconds only
    assert times == sorted(times)


def test_one_flood_is_told_in_order_and_in_three_languages():
    told = [(chapter.name, re.split(r"\{\w+\}", text.text)) for chapter in CHAPTERS for text in chapter.told]
    posts = [post for post in parsed() if post.kind == "original"]
    said = [(name, post) for post in posts for name, pieces in told if all(piece in post.text for piece in pieces)]
    assert {name for name, _ in said} == {"before", "warning", "peak", "aftermath"}
    late = timedelta(minutes=60)  # a copy repeats what was said before it
    assert all(
        chapter_at(post.created_at).name == name or chapter_at(post.created_at - late).name == name
        for name, post in said
    )
    assert {"en", "es", "fr"} <= {post.language for _, post in said}


def test_the_model_tells_severe_from_mild_damage_and_from_none(default_scorer):
    scorer, shown = default_scorer(), {"wreck": "mild_damage", "flood": "severe_damage", "slide": "severe_damage"}
    names = [(scene, seed) for scene in (*shown, "street") for seed in range(VARIANTS)] + [("boat", 0), ("camp", 0)]
    photos = [scorer.prepare(Image.open(io.BytesIO(picture(*name))).convert("RGB")) for name in names]
    answers = scorer.score([PostInput("The river has burst its banks", (photo,)) for photo in photos])
    found = {name: answer.labels["damage"].label for name, answer in zip(names, answers, strict=True)}
    assert found == {name: shown.get(name[0], "little_or_no_damage") for name in names}


@pytest.mark.parametrize("name", ["camp-0", "cat-1"])
async def test_pictures_are_served(name):
    async with picture_host() as address, aiohttp.ClientSession() as session:
        answer = await session.get(f"{address}/{name}.jpg")
        image = Image.open(io.BytesIO(await answer.read()))
        image.load()
    assert address.startswith("http://127.0.0.1:")
    assert image.format == "JPEG"
    assert min(image.size) >= 224


@pytest.mark.parametrize(("name", "status"), [("missing", 404), ("page", 200), ("broken", 200)])
async def test_odd_pictures_are_no_pictures(name, status):
    async with picture_host() as address, aiohttp.ClientSession() as session:
        answer = await session.get(f"{address}/{name}.jpg")
        assert answer.status == status
        body = await answer.read()
    with pytest.raises(OSError):  # truncated, or no image at all
        Image.open(io.BytesIO(body)).load()


async def test_a_folder_is_served_and_nothing_outside_it(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(b"x")
    (tmp_path / "secret.jpg").write_bytes(b"y")
    async with picture_host(tmp_path / "in") as address, aiohttp.ClientSession() as session:
        async with session.get(f"{address}/a.jpg") as answer:
            assert await answer.read() == b"x"
        async with session.get(f"{address}/%2e%2e/secret.jpg") as answer:
            assert answer.status in {403, 404}
