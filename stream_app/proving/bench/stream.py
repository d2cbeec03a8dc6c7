"""The stream that is measured with: synthetic posts of a tweet's length, and a loopback host for their photos."""

from __future__ import annotations

import io
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
from aiohttp import web
from PIL import Image

_WHAT = ("bridge", "school", "hospital", "road", "market", "harbour", "station", "temple", "stadium", "warehouse")
# In 26 of 100 texts the fixed scorer finds nothing. The default model (0.8.0) has nothing to say of 26 % of 1,920 real
# posts (192 of each of ten collections), nor a person to look at; it is 23 % of CrisisMMD's, 85 % of ordinary ones.
_HOW = ("collapsed", "flooded", "wrecked", "ruined", "damaged", "evacuated", "reopened", "destroyed", "in ruins")
_WHO = ("families", "volunteers", "rescuers", "neighbours", "doctors", "students", "fishermen", "drivers", "children")
_NEED = ("water", "blankets", "medicine", "shelter", "food", "boats", "generators", "tents", "blood", "fuel")
_TAIL = ("please share", "more rain is expected tonight", "we have seen it ourselves", "nobody knows why")
_START = datetime(2026, 1, 1, tzinfo=UTC)
PHOTOS = 40
"""Different photos the host has; every post's address of one is its own, so each is fetched and decoded anew."""


def text(number: int) -> str:
    """The text of post ``number``: 25 to 30 word pieces, unlike that of any other number."""
    draw = random.Random(number)
    # Seven digits on end may be a telephone number, and are looked at more closely.
    district = str(number) if number < 1_000_000 else f"{number // 1_000_000}/{number % 1_000_000:06}"
    return (
        f"The {draw.choice(_WHAT)} near district {district} is {draw.choice(_HOW)}, {draw.choice(_WHO)} ask for "
        f"{draw.choice(_NEED)} and {draw.choice(_NEED)}, {draw.choice(_TAIL)} #flood"
    )


def posts(
    count: int, *, repeated: float = 0.0, photos: float = 0.0, host: str = "", first: int = 0, longest: int = 1
) -> list[bytes]:
    """``count`` posts as JSON, in our own format.

    Args:
        count: How many.
        repeated: The share that repost one of the last 1,000 originals, spread evenly.
        photos: The share of originals with one photo at ``host``.
        host: The photos' host, as ``http://127.0.0.1:1234``.
        first: The first post's number; streams that share none have no post in common.
        longest: Originals have 1 to this many times a tweet's text.
    """
    draw = random.Random(first)
    originals: list[dict[str, object]] = []
    out = []
    for number in range(first, first + count):
        moment = (_START + timedelta(seconds=number)).isoformat()
        if originals and draw.random() < repeated:
            root = draw.choice(originals[-1000:])
            post = {**root, "id": str(number), "kind": "repost", "created_at": moment}
        else:
            post = {"network": "other", "id": str(number), "root_id": str(number), "text": text(number)}
            post["created_at"] = moment
            if longest > 1:
                post["text"] = " ".join(text(number + n) for n in range(draw.randint(1, longest)))
            if draw.random() < photos:
                post["media"] = [{"url": f"{host}/{number % PHOTOS}.jpg?post={number}"}]
            originals.append(post)
        out.append(json.dumps(post).encode())
    return out


def photo(number: int) -> bytes:
    """JPEG of 680 x 450 pixels, about 50 kB, as phones' photos come from a network's image host."""
    coarse = np.random.default_rng(number).integers(0, 256, (45, 68, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize((680, 450), Image.Resampling.BICUBIC)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return out.getvalue()


@asynccontextmanager
async def photo_host() -> AsyncIterator[str]:
    """Serve the photos on loopback; gives the host's address."""
    photos = [photo(number) for number in range(PHOTOS)]

    async def serve(request: web.Request) -> web.Response:
        return web.Response(body=photos[int(request.match_info["number"]) % PHOTOS], content_type="image/jpeg")

    app = web.Application()
    app.router.add_get("/{number:\\d+}.jpg", serve)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, shutdown_timeout=0.1).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
