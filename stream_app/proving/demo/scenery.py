"""A town and what a flood left of it, drawn with the textures of a photo, so that a model tells damage from none."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 480, 320

Colour = tuple[int, int, int]
Point = tuple[float, float]
_GROUND, _HORIZON = 205, 175
_CLAY: Colour = (128, 100, 70)
_ROOFS: tuple[Colour, ...] = ((126, 66, 50), (110, 100, 96), (140, 84, 60))
_WOOD: tuple[Colour, ...] = ((70, 52, 36), (110, 86, 58), (180, 170, 150), (50, 44, 40), (96, 110, 80))


def town(
    rng: random.Random,
    *,
    heap: float = 0,
    torn: float = 0,
    ruins: int = 0,
    water: int | None = None,
    litter: int = 0,
    wide: bool = False,
    soil: Colour = _CLAY,
) -> Image.Image:
    """Four houses at a road, as they are or as they were left.

    ``heap``: height of rubble before them in pixels, ``wide``: from edge to edge; ``torn``: how holed the roofs are, 0
    to 2; ``ruins`` that stand between them; ``water``: the row that brown water reaches; ``litter``: pieces that drift.
    """
    grey = bool(heap or litter)
    image = _shaded(_clouds(rng), *(((150, 160, 170), (205, 205, 200)) if grey else ((140, 170, 205), (222, 226, 224))))
    _trees(image, rng)
    for x in (-20, 110, 250, 370):
        _house(image, rng, x + rng.randint(-8, 8), rng.randint(90, 120), torn)
    _fill(image, _noise(rng, (8, 32, 120), 0.9, 3), (84, 84, 80), (126, 124, 118), _below(_GROUND))
    for _ in range(ruins):
        _ruin(image, rng, rng.randint(20, 340), rng.randint(70, 120), rng.randint(70, 130))
    if water is not None:
        _fill(image, _noise(rng, (3, 8, 20, 60, 120), 0.7, 5), (96, 84, 64), (160, 150, 128), _below(water))
    if heap:
        _rubble(image, rng, *((0, WIDTH) if wide else (60, 420)), heap, soil)
    for _ in range(litter):
        _piece(image, rng)
    return _as_taken(image, rng)


def _noise(rng: random.Random, octaves: Sequence[int], fall: float = 0.6, stretch: float = 1.0) -> NDArray[np.float64]:
    """Fractal value noise in [0, 1]: layers of random grids, each ``fall`` as strong as the coarser one before."""
    source = np.random.default_rng(rng.randrange(1 << 30))
    total = np.zeros((HEIGHT, WIDTH))
    for level, columns in enumerate(octaves):
        rows = max(2, int(columns * HEIGHT / WIDTH * stretch))
        grid = Image.fromarray((source.random((rows, columns)) * 255).astype(np.uint8))
        total += fall**level * np.asarray(grid.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), float)
    span: NDArray[np.float64] = (total - total.min()) / (total.max() - total.min())
    return span


def _clouds(rng: random.Random) -> NDArray[np.float64]:
    down = np.linspace(0, 1, HEIGHT)[:, None] * np.ones((1, WIDTH))
    return np.clip(down * 0.8 + 0.35 * (_noise(rng, (3, 6, 12, 24)) - 0.5), 0, 1)


def _shaded(field: NDArray[np.float64], dark: Colour, light: Colour) -> Image.Image:
    low, high = np.array(dark, float), np.array(light, float)
    return Image.fromarray((low + (high - low) * field[..., None]).astype(np.uint8))


def _fill(image: Image.Image, field: NDArray[np.float64], dark: Colour, light: Colour, points: Sequence[Point]) -> None:
    mask = Image.new("L", (WIDTH, HEIGHT))
    ImageDraw.Draw(mask).polygon(list(points), fill=255)
    image.paste(_shaded(field, dark, light), (0, 0), mask)


def _below(row: int) -> list[Point]:
    return [(0, row), (WIDTH, row), (WIDTH, HEIGHT), (0, HEIGHT)]


def _times(colour: Colour, factor: float) -> Colour:
    red, green, blue = (max(0, min(255, int(part * factor))) for part in colour)
    return red, green, blue


def _trees(image: Image.Image, rng: random.Random) -> None:
    draw = ImageDraw.Draw(image)
    for _ in range(6):
        middle, tall = rng.randint(0, WIDTH), rng.randint(50, 110)
        for _ in range(40):
            x, y, r = middle + rng.gauss(0, tall * 0.22), _HORIZON - tall * rng.uniform(0.3, 1), rng.uniform(4, 12)
            green = rng.randint(50, 95)
            draw.ellipse((x - r, y - r, x + r, y + r), fill=(green - 20, green, green - 34))


def _house(image: Image.Image, rng: random.Random, x: int, width: int, torn: float) -> None:
    """Its walls, windows and roof of rows of tiles, with holes."""
    wall, roof, high = 60, rng.choice(_ROOFS), width * 0.36
    top, draw = _GROUND - wall, ImageDraw.Draw(image)
    draw.rectangle((x, top, x + width, _GROUND), fill=(196, 184, 162))
    for number in range(3):
        left = x + width * (0.12 + 0.3 * number)
        draw.rectangle((left, top + 4, left + width * 0.14, _GROUND), fill=(44, 42, 44))
    outline = [(x - 8, top), (x + width * 0.22, top - high), (x + width * 0.8, top - high * 0.95), (x + width + 8, top)]
    _fill(image, _noise(rng, (10, 40, 120), 0.9, 3), _times(roof, 0.6), _times(roof, 1.25), outline)
    for row in (each / 6 for each in range(1, 6)):
        ends = (x - 8 + (width * 0.22 + 8) * row, x + width + 8 - (width * 0.2 + 8) * row)
        draw.line([(end, top - high * row) for end in ends], fill=_times(roof, 0.55), width=1)
    for _ in range(int(torn * 9)):
        at, size = (x + width * rng.uniform(0.15, 0.75), top - high * rng.uniform(0.15, 0.8)), width * 0.09
        corners = [(at[0] + rng.uniform(-size, size), at[1] + rng.uniform(-size, size) * 0.6) for _ in range(6)]
        draw.polygon(corners, fill=(30, 26, 24))


def _ruin(image: Image.Image, rng: random.Random, x: int, width: int, height: int) -> None:
    """A block with its top torn off and its windows dark."""
    base, foot = (176, 164, 146), _GROUND + 5
    top = [(x + each * width / 10, foot - height + rng.random() ** 2 * height * 0.8) for each in range(11)]
    _fill(image, _noise(rng, (6, 12, 48, 96), 0.8), _times(base, 0.7), base, [(x, foot), *top, (x + width, foot)])
    draw, rows, columns = ImageDraw.Draw(image), max(2, height // 34), max(2, width // 28)
    for row in range(rows):
        for column in range(columns):
            left, up = x + 6 + column * width / columns, foot - height + 10 + row * height / rows
            if up > max(y for _, y in top[column * 10 // columns : (column + 1) * 10 // columns + 1]):
                draw.rectangle((left, up, left + width / columns * 0.55, up + height / rows * 0.6), fill=(34, 30, 28))
    for one in top:
        draw.line([one, (one[0] + rng.randint(-6, 6), one[1] - rng.randint(4, 16))], fill=(60, 48, 42), width=1)


def _rubble(image: Image.Image, rng: random.Random, left: int, right: int, height: float, soil: Colour) -> None:
    """A heap of stones, slabs and beams."""
    middle, half = (left + right) / 2, (right - left) / 2

    def top(x: float) -> float:
        swell = math.cos(min(1.0, abs(x - middle) / half) * 1.57)
        return min(HEIGHT - 1, HEIGHT - 30 - height * swell - 6 * math.sin(x / 17))

    edge = [(x, top(x) + rng.randint(-6, 6)) for x in range(left, right + 1, 8)]
    field = _noise(rng, (8, 16, 32, 64, 128, 240), 0.85)
    _fill(image, field, _times(soil, 0.4), soil, [(left, HEIGHT), *edge, (right, HEIGHT)])
    stones: tuple[Colour, ...] = (soil, soil, (168, 150, 128), (140, 90, 72), (120, 118, 116))
    for _ in range(700):
        x, deep = rng.randint(left, right), rng.random()
        y = top(x) + (HEIGHT - top(x)) * deep
        _stone(image, rng, (x, y), rng.uniform(1.5, 4) + deep * rng.uniform(2, 13), rng.choice(stones))
    for _ in range(9):
        x = rng.randint(left, right - 60)
        _slab(image, rng, (x, top(x) + (HEIGHT - top(x)) * rng.uniform(0.05, 0.75)))
    for _ in range(16):
        x, turn, length = rng.randint(left, right - 40), rng.uniform(-0.9, 0.9), rng.randint(20, 80)
        y = top(x) + (HEIGHT - top(x)) * rng.random()
        ends = [(x, y), (x + length * math.cos(turn), y + length * math.sin(turn))]
        ImageDraw.Draw(image).line(ends, fill=rng.choice(_WOOD[:2]), width=rng.randint(1, 4))


def _stone(image: Image.Image, rng: random.Random, at: Point, size: float, colour: Colour) -> None:
    """A lump with a light upper and a dark lower side."""
    count, mixed = rng.randint(4, 7), _times(colour, rng.uniform(0.55, 1.15))
    turns = [2 * math.pi * (each + rng.random() * 0.7) / count for each in range(count)]
    reach = [(size * rng.uniform(0.7, 1.2), size * 0.6 * rng.uniform(0.7, 1.2)) for _ in turns]
    points = [(at[0] + x * math.cos(t), at[1] + y * math.sin(t)) for t, (x, y) in zip(turns, reach, strict=True)]
    draw, by_height = ImageDraw.Draw(image), sorted(points, key=lambda point: point[1])
    draw.polygon(points, fill=mixed)
    draw.polygon(by_height[:3], fill=_times(mixed, 1.2))
    draw.polygon(by_height[-3:], fill=_times(mixed, 0.55))


def _slab(image: Image.Image, rng: random.Random, at: Point) -> None:
    """A broken slab of concrete that lies askew."""
    width, thick, turn = rng.randint(50, 150), rng.randint(7, 14), rng.uniform(-0.6, 0.6)
    base, deep, draw = rng.choice(((170, 165, 155), (150, 146, 140))), rng.randint(14, 34), ImageDraw.Draw(image)

    def turned(x: float, y: float) -> Point:
        return at[0] + x * math.cos(turn) - y * math.sin(turn), at[1] + x * math.sin(turn) + y * math.cos(turn)

    rear = [turned(deep, -deep * 0.7), turned(width + deep * 0.6, -deep * 0.7)]
    draw.polygon([turned(0, 0), *rear, turned(width, 0)], fill=_times(base, 1.12))
    torn = [turned(width - rng.randint(0, 14), row * thick / 3) for row in range(4)]
    draw.polygon([turned(0, 0), *torn, turned(0, thick)], fill=_times(base, 0.72))
    for near, far in pairwise([turned(width, thick * rng.random()) for _ in range(4)]):
        draw.line([near, (far[0] + rng.randint(8, 26), far[1] + rng.randint(-14, 10))], fill=(70, 50, 44), width=1)


def _piece(image: Image.Image, rng: random.Random) -> None:
    """Something that drifts or lies about; the nearer the larger."""
    x, y = rng.randint(0, WIDTH), rng.randint(_GROUND + 5, HEIGHT - 4)
    near, turn = (y - _GROUND) / (HEIGHT - _GROUND) + 0.3, rng.uniform(-0.5, 0.5)
    length = rng.uniform(6, 40) * near
    ends = [(x, y), (x + length * math.cos(turn), y + length * math.sin(turn))]
    ImageDraw.Draw(image).line(ends, fill=rng.choice(_WOOD), width=max(1, int(4 * near * rng.random())))
    if rng.random() < 0.3:
        _stone(image, rng, (x, y), 3 + 7 * near, rng.choice(((140, 120, 96), (190, 184, 170), (120, 70, 54))))


def _as_taken(image: Image.Image, rng: random.Random) -> Image.Image:
    """As a camera gives it: a little soft, grainy, darker towards the corners."""
    pixels = np.asarray(image.filter(ImageFilter.GaussianBlur(0.7)), float).copy()
    source = np.random.default_rng(rng.randrange(1 << 30))
    pixels += source.normal(0, 10, (HEIGHT, WIDTH, 1)) + source.normal(0, 3.5, (HEIGHT, WIDTH, 3))
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    far = ((columns / WIDTH * 2 - 1) ** 2 + (rows / HEIGHT * 2 - 1) ** 2) / 2
    pixels *= (1 - 0.28 * far)[..., None]
    return Image.fromarray(np.clip(128 + (pixels - 128) * 1.1, 0, 255).astype(np.uint8))
