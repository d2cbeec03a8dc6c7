"""Invented events for tests, as the worker publishes them; import it with ``from factories import make_event``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from model.scorer import LABELS, Concept
from stream_app.pipeline.events.event import Event, Label, event_id
from stream_app.pipeline.events.publish import event_headers
from stream_app.pipeline.posts.post import Place

START = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)


def make_label(concept: Concept, label: str | None, probability: float = 0.9) -> Label:
    """A label with the rest of the probability shared out evenly."""
    if label is None:
        return Label(label=None, reason="no usable image: damage is judged from photos")
    others = [name for name in LABELS[concept] if name != label]
    rest = dict.fromkeys(others, (1 - probability) / len(others))
    return Label(label=label, probability=probability, probabilities={label: probability, **rest})


def make_place(
    latitude: float = 6.93, longitude: float = 79.85, source: str = "gazetteer", name: str | None = "Colombo"
) -> Place:
    """A place; Colombo, found by name in the text, unless told otherwise."""
    return Place.model_validate(
        {"name": name, "country_code": "LK", "latitude": latitude, "longitude": longitude, "source": source}
    )


def make_event(
    post_id: str = "p1",
    text: str = "Water is over the quay",
    *,
    humanitarian: str = "affected_individuals",
    probability: float = 0.9,
    damage: str | None = None,
    damage_probability: float = 0.8,
    root: str | None = None,
    author: str | None = None,
    minutes: float = 0.0,
    place: Place | None = None,
    photos: Sequence[str] = (),
    language: str = "en",
    version: str = "1",
    **changes: Any,
) -> Event:
    """An event of ``post_id``, written ``minutes`` after START and labelled a second later.

    ``root`` makes it a repost of that post; ``photos`` are perceptual hashes of images that were used.
    """
    created = START + timedelta(minutes=minutes)
    informative = "not_informative" if humanitarian == "not_humanitarian" else "informative"
    used = ["text", "image", "context"] if photos else ["text", "context"]
    event = {
        "id": event_id("bluesky", post_id, version),
        "post": {
            "network": "bluesky",
            "id": post_id,
            "root_id": root or post_id,
            "url": f"https://example.org/posts/{post_id}",
            "text": text,
            "language": language,
            "created_at": created,
            "kind": "repost" if root else "original",
            "place": place,
            "author_key": author,
        },
        "media": [
            {"url": f"https://example.org/{i}.jpg", "status": "used", "perceptual_hash": photo}
            for i, photo in enumerate(photos)
        ],
        "labels": {
            "informativeness": make_label("informativeness", informative),
            "humanitarian": make_label("humanitarian", humanitarian, probability),
            "damage": make_label("damage", damage, damage_probability),
        },
        "modalities": {"used": used, "attention": dict.fromkeys(used, 1 / len(used))},
        "duplicate_of": root,
        "model": {"name": "fixed", "version": version, "hash": "0" * 64},
        "timings": {"produced_at": created + timedelta(seconds=1)},
    }
    return Event.model_validate({**event, **changes})


def headers_of(event: Event) -> list[tuple[str, bytes]]:
    """The Kafka headers that the worker publishes ``event`` with."""
    time = event.timings.produced_at.isoformat().replace("+00:00", "Z")
    return event_headers(event.id, time, f"{event.post.network}/{event.post.id}")


@asynccontextmanager
async def running_webhook(take: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    """A receiver of POSTs on loopback; yields its port."""
    app = web.Application()
    app.router.add_post("/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
