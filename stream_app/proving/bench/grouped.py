"""How many sightings a second one ``incidents`` puts in their places, and what they take in memory; no Kafka."""

from __future__ import annotations

import gc
import random
import time
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from stream_app.incidents.grouping import Grouping
from stream_app.incidents.sighting import Sighting
from stream_app.pipeline.posts.post import Place
from stream_app.settings import IncidentSettings

_START = datetime(2026, 1, 1, tzinfo=UTC)
_TOWNS, _PLACED = 400, 0.6
_TIMED = 1000
_WINDOW = timedelta(hours=6)


class Grouped(NamedTuple):
    """With so many posts in memory: sightings a second of one core, and what they take beside an empty program."""

    posts: int
    rate: float
    megabytes: float


def grouped(count: int) -> Grouped:
    """Fill a grouping with ``count`` posts of the last six hours, then time the next thousand.

    Three of five have a place, one of 400 towns; every fourth is a repost; no text is like another's.
    """
    import psutil

    process = psutil.Process()
    gc.collect()
    before = process.memory_info().rss
    grouping = Grouping(IncidentSettings(max_posts=10 * count))
    for number in range(count):
        grouping.add(sighting(number, count))
    taken = process.memory_info().rss - before
    more = [sighting(number, count) for number in range(count, count + min(count, _TIMED))]
    began = time.process_time()
    for each in more:
        grouping.add(each)
    rate = len(more) / (time.process_time() - began)
    return Grouped(count, rate, taken / 2**20)


def sighting(number: int, among: int) -> Sighting:
    """Sighting ``number``, the same each time; ``among`` of them are as long as incidents stay open."""
    draw = random.Random(number)
    root = number if number == 0 or draw.random() < 0.75 else draw.randrange(max(0, number - 1000), number)
    town = random.Random(draw.randrange(_TOWNS))
    place = Place(latitude=town.uniform(-60, 60), longitude=town.uniform(-180, 180), source="place", name="a town")
    words = random.Random(root)
    moment = _START + _WINDOW * (number / among)
    return Sighting(
        post=f"other:{number}",
        root=f"other:{root}",
        network="other",
        event_id=f"{number:032x}",
        is_repost=root != number,
        category="infrastructure_and_utility_damage",
        probability=0.9,
        severity=0.5,
        text=" ".join(f"word{words.randrange(20_000)}" for _ in range(16)),
        written_at=moment,
        arrived_at=moment,
        place=place if draw.random() < _PLACED else None,
        author=f"{draw.randrange(among):x}",
    )
