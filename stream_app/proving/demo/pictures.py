"""The demo's pictures, drawn by rule: nobody's photos, nobody's rights."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from functools import partial

from PIL import Image, ImageDraw, ImageFilter

from stream_app.proving.demo.scenery import HEIGHT, WIDTH, town

Draw = ImageDraw.ImageDraw


def _sky(draw: Draw, top: tuple[int, int, int], bottom: tuple[int, int, int]) -> None:
    for y in range(HEIGHT):
        t = y / HEIGHT
        draw.line((0, y, WIDTH, y), fill=tuple(round(a + (b - a) * t) for a, b in zip(top, bottom, strict=True)))


def _house(draw: Draw, x: int, y: int, size: int, colour: tuple[int, int, int], rng: random.Random) -> None:
    draw.rectangle((x, y - size, x + size, y), fill=colour)
    draw.polygon(
        [(x - 8, y - size), (x + size // 2, y - size - size // 2), (x + size + 8, y - size)], fill=(120, 58, 44)
    )
    for column in range(2):
        left = x + 10 + column * size // 2
        draw.rectangle((left, y - size + 14, left + 16, y - size + 34), fill=(70, 80, rng.randint(90, 140)))


def _people(draw: Draw, ground: int, count: int, rng: random.Random) -> None:
    for _ in range(count):
        x, tall = rng.randint(20, WIDTH - 30), rng.randint(34, 50)
        coat = (rng.randint(60, 220), rng.randint(40, 120), rng.randint(40, 160))
        draw.ellipse((x + 3, ground - tall - 10, x + 13, ground - tall), fill=(196, 150, 122))
        draw.rectangle((x, ground - tall, x + 16, ground), fill=coat)


def _river(draw: Draw, rng: random.Random) -> None:
    """Houses in brown water."""
    _sky(draw, (120, 130, 140), (170, 175, 175))
    for x in range(20, WIDTH, 120):
        _house(draw, x + rng.randint(-10, 10), 235, rng.randint(70, 95), (190, 176, 150), rng)
    draw.rectangle((0, 200, WIDTH, HEIGHT), fill=(122, 98, 66))
    for _ in range(90):
        x, y = rng.randint(0, WIDTH), rng.randint(202, HEIGHT)
        draw.line((x, y, x + rng.randint(20, 60), y), fill=(146, 120, 84), width=2)


def boat(draw: Draw, rng: random.Random) -> None:
    """A rescue boat with people on brown water."""
    _river(draw, rng)
    draw.polygon([(130, 262), (350, 262), (320, 296), (160, 296)], fill=(222, 96, 30))
    for x in range(165, 330, 38):
        draw.ellipse((x + 3, 214, x + 17, 228), fill=(190, 146, 118))
        draw.rectangle((x, 228, x + 20, 264), fill=(240, 140, 30))


def camp(draw: Draw, rng: random.Random) -> None:
    """Tents and people who wait for aid."""
    _sky(draw, (150, 196, 230), (230, 230, 220))
    draw.rectangle((0, 190, WIDTH, HEIGHT), fill=(176, 156, 112))
    for x in range(10, WIDTH, 110):
        draw.polygon([(x, 240), (x + 50, 160), (x + 100, 240)], fill=(238, 238, 232), outline=(120, 120, 120))
        draw.polygon([(x + 36, 240), (x + 50, 190), (x + 64, 240)], fill=(90, 110, 130))
    _people(draw, 304, 12, rng)


def aid(draw: Draw, rng: random.Random) -> None:
    """Boxes handed out in front of a truck."""
    _sky(draw, (190, 200, 210), (226, 222, 214))
    draw.rectangle((40, 90, 330, 240), fill=(236, 236, 240), outline=(90, 90, 90))
    draw.rectangle((150, 130, 220, 200), fill=(210, 40, 40))
    draw.rectangle((330, 140, 410, 240), fill=(60, 90, 150))
    for x in (90, 280, 370):
        draw.ellipse((x - 26, 222, x + 26, 274), fill=(30, 30, 32))
    for x in range(60, 420, 44):
        draw.rectangle((x, 262 + rng.randint(-4, 4), x + 38, 296), fill=(186, 140, 84), outline=(120, 86, 48))
    _people(draw, 316, 6, rng)


def cat(draw: Draw, rng: random.Random) -> None:
    """A cat, which is no disaster."""
    draw.rectangle((0, 0, WIDTH, HEIGHT), fill=(226, 206, 190))
    fur = (rng.randint(90, 220), rng.randint(90, 150), rng.randint(50, 90))
    draw.ellipse((130, 150, 350, 330), fill=fur)
    draw.ellipse((170, 60, 310, 190), fill=fur)
    for x, tip in ((178, 168), (260, 312)):
        draw.polygon([(x, 90), (tip, 30), (x + 44, 76)], fill=fur)
    for x in (206, 260):
        draw.ellipse((x, 106, x + 22, 130), fill=(240, 220, 90))
        draw.ellipse((x + 8, 108, x + 14, 128), fill=(10, 10, 10))
    draw.polygon([(232, 142), (248, 142), (240, 152)], fill=(220, 130, 130))


def food(draw: Draw, rng: random.Random) -> None:
    """A plate of food."""
    draw.rectangle((0, 0, WIDTH, HEIGHT), fill=(128, 92, 62))
    draw.ellipse((90, 30, 390, 300), fill=(246, 246, 242))
    for _ in range(46):
        x, y, s = rng.randint(150, 310), rng.randint(90, 220), rng.randint(10, 30)
        draw.ellipse(
            (x, y, x + s, y + s), fill=rng.choice([(200, 60, 40), (90, 150, 60), (236, 200, 90), (210, 140, 70)])
        )


def beach(draw: Draw, rng: random.Random) -> None:
    """A calm beach."""
    _sky(draw, (90, 170, 240), (200, 230, 250))
    draw.rectangle((0, 170, WIDTH, 240), fill=(40, 130, 190))
    draw.rectangle((0, 236, WIDTH, HEIGHT), fill=(236, 214, 160))
    draw.ellipse((360, 30, 420, 90), fill=(255, 236, 150))
    for _ in range(24):
        x, y = rng.randint(0, WIDTH), rng.randint(174, 232)
        draw.line((x, y, x + 34, y), fill=(120, 190, 226), width=2)


_DRAWN: dict[str, Callable[[Draw, random.Random], None]] = {
    scene.__name__: scene for scene in (boat, camp, aid, cat, food, beach)
}
_TOWNS = {
    "street": (partial(town, water=215), (0, 1)),
    "wreck": (partial(town, heap=120, torn=1.5, water=200, litter=100, wide=True), (39, 14)),
    "flood": (partial(town, heap=75, torn=1.5, ruins=1, water=195, litter=120), (4, 9)),
    "slide": (partial(town, heap=130, torn=2.2, ruins=2, litter=120, wide=True), (4, 5)),
}
"""The town, worse from scene to scene, and the seeds in use: of six to forty tried for each, those that crisis-fusion
0.7.0 and later read as what they show: little damage in the street, mild in the wreck, severe in flood and slide."""
SCENES = (*_TOWNS, *_DRAWN)
VARIANTS = 2
"""Pictures of each scene."""


def picture(scene: str, seed: int) -> bytes:
    """A JPEG of 480 x 320 of one of :data:`SCENES`; the same ``seed``, 0 or 1, gives the same bytes."""
    if scene in _TOWNS:
        draw, seeds = _TOWNS[scene]
        image = draw(random.Random(f"{scene}{seeds[seed]}"))
    else:
        image = _painted(scene, seed)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=80)
    return out.getvalue()


def _painted(scene: str, seed: int) -> Image.Image:
    rng = random.Random(f"{scene}{seed}")
    image = Image.new("RGB", (WIDTH, HEIGHT))
    _DRAWN[scene](ImageDraw.Draw(image), rng)
    grain = Image.effect_noise((WIDTH, HEIGHT), 26).convert("RGB") if seed % 2 else None
    image = image.filter(ImageFilter.GaussianBlur(0.8))
    return image if grain is None else Image.blend(image, grain, 0.06)
