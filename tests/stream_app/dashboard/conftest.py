"""Invented events and painted photos for the dashboard's tests; no real post is among them."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from model.scorer import LABELS
from model.serving.fixed import FixedScorer
from stream_app.dashboard.app import Desk, build_app, listening
from stream_app.dashboard.explainer import Explainer
from stream_app.dashboard.hub import Hub, broadcast
from stream_app.dashboard.past import Past
from stream_app.dashboard.state import DashboardState
from stream_app.dashboard.thumbnails import Thumbnails
from stream_app.decisions.act import Decision
from stream_app.incidents.incident import Incident
from stream_app.pipeline.events.event import Event, event_id
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.post import MediaLink
from stream_app.settings import DashboardSettings, ModelSettings

BEIRA = {"name": "Beira", "country_code": "MZ", "latitude": -19.84, "longitude": 34.84, "source": "gazetteer"}
CHROMIUM = next((path for name in ("chromium", "google-chrome") if (path := shutil.which(name))), None)
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


def label(concept: str, name: str | None, probability: float = 0.9) -> dict[str, Any]:
    """A label with the rest of the probability shared out."""
    if name is None:
        return {"label": None, "reason": "no usable image: damage is judged from photos"}
    others = [other for other in LABELS[concept] if other != name]
    rest = {other: (1 - probability) / len(others) for other in others}
    return {"label": name, "probability": probability, "probabilities": {name: probability, **rest}}


def build_event(
    number: int = 1,
    text: str = "Water is over the quay at Port Alma",
    humanitarian: str = "other_relevant_information",
    probability: float = 0.9,
    damage: str | None = None,
    place: dict[str, Any] | None = None,
    media: Sequence[dict[str, Any]] = (),
    root: int | None = None,
    **event: Any,
) -> Event:
    """An event as the worker publishes it; ``root`` makes it a repost of that number."""
    post_id = f"p{number}"
    root_id = post_id if root is None else f"p{root}"
    used = ["text", "image", "context"] if any(item["status"] == "used" for item in media) else ["text", "context"]
    attention = {"text": 0.5, "image": 0.3, "context": 0.2} if len(used) == 3 else {"text": 0.8, "context": 0.2}
    pairs = (
        {"text+image": 0.6, "text+context": 0.25, "image+context": 0.15} if len(used) == 3 else {"text+context": 1.0}
    )
    post = {
        "network": "bluesky",
        "id": post_id,
        "root_id": root_id,
        "url": f"https://example.org/posts/{post_id}",
        "text": text,
        "language": "en",
        "created_at": START,
        "kind": "original" if root is None else "repost",
        "place": place,
    }
    informative = "not_informative" if humanitarian == "not_humanitarian" else "informative"
    return Event.model_validate(
        {
            "id": event_id("bluesky", post_id, "1"),
            "post": {**post, **event.pop("post", {})},
            "media": list(media),
            "labels": {
                "informativeness": label("informativeness", informative, 0.93),
                "humanitarian": label("humanitarian", humanitarian, probability),
                "damage": label("damage", damage, 0.81),
            },
            "modalities": {"used": list(attention), "attention": attention, "pairs": pairs},
            "duplicate_of": None if root is None else root_id,
            "model": {"name": "fixed", "version": "1", "hash": "0" * 64},
            "timings": {"produced_at": START},
            **event,
        }
    )


def build_incident(name: str = "i1", **changes: Any) -> Incident:
    """An incident in Beira as the incidents step publishes it; ``posts`` may be given as numbers."""
    posts = [
        {
            "id": f"p{n}",
            "network": "bluesky",
            "event_id": "e",
            "excerpt": f"post {n}",
            "created_at": START,
            "humanitarian": 0.9,
        }
        for n in changes.pop("posts", (1,))
    ]
    return Incident.model_validate(
        {
            "id": name,
            "version": 1,
            "title": "People affected in Beira",
            "category": "affected_individuals",
            "severity": "severe",
            "severity_score": 0.8,
            "trend": "rising",
            "windows": [{"end": START, "posts": 3}, {"end": START, "posts": 5}],
            "first_seen": START,
            "last_seen": START,
            "updated_at": START,
            "place": {**BEIRA, "radius_km": 12.0},
            "posts": posts,
            "post_count": 8,
            "root_count": 6,
            "repost_count": 2,
            "near_duplicate_count": 1,
            "author_count": 5,
            **changes,
        }
    )


class PaintedFetcher:
    """Answers every address with a painted sky and sea, and remembers what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def fetch(self, links: Sequence[MediaLink]) -> tuple[MediaOutcome, ...]:
        self.asked += [link.url for link in links]
        await asyncio.sleep(0)
        pixels = np.zeros((60, 80, 3), np.uint8)
        pixels[:30] = (120, 160, 210)
        pixels[30:] = (40, 80, 110)
        return tuple(
            MediaOutcome(link.url, "failed", "gone")
            if "broken" in link.url
            else MediaOutcome(link.url, "used", image=pixels, sha256="5" * 64)
            for link in links
        )


@dataclass
class Bench:
    """A dashboard without Kafka: tests put events into ``state`` themselves."""

    settings: DashboardSettings = field(default_factory=DashboardSettings)
    fetcher: PaintedFetcher = field(default_factory=PaintedFetcher)
    verdicts: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    earlier: list[tuple[Event, datetime]] = field(default_factory=list)
    backlog: int = 256
    heartbeat_s: float = 15.0

    def __post_init__(self) -> None:
        self.state = DashboardState(self.settings)
        self.hub = Hub(self.state.snapshot, backlog=self.backlog, journal=self.backlog // 2)
        thumbnails = Thumbnails(self.fetcher, self.settings.thumbnails)
        large = Thumbnails(self.fetcher, self.settings.large_photos)
        self.desk = Desk(
            self.settings,
            self.state,
            self.hub,
            thumbnails,
            large,
            self.record,
            self.decide,
            Explainer(ModelSettings(), large, lambda _: FixedScorer()),
            Past(self.state, self.read_past, self.first, timedelta(hours=1)),
            self.heartbeat_s,
            patience_s=1.0,
        )

    async def decide(self, decision: Decision) -> Decision:
        """As Kafka does: it comes back dated, and is shown."""
        dated = decision.model_copy(update={"at": datetime.now(UTC)})
        self.decisions.append(dated)
        self.state.add_decision(dated)
        return dated

    async def first(self) -> datetime | None:
        return min((at for _, at in self.earlier), default=None)

    async def read_past(self, since: datetime, until: datetime, state: DashboardState) -> bool:
        """As from Kafka: what came between two times."""
        for event, at in self.earlier:
            if since <= at < until:
                state.add_event(event, at)
        return len(self.earlier) > 2

    async def record(self, verdict: dict[str, Any]) -> None:
        self.verdicts.append(verdict)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        async with listening(build_app(self.desk), "127.0.0.1", 0) as address:
            telling = asyncio.create_task(broadcast(self.state, self.hub))
            try:
                yield address
            finally:
                telling.cancel()


@pytest.fixture
def make_event() -> Callable[..., Event]:
    """Builds events."""
    return build_event


@pytest.fixture
def make_incident() -> Callable[..., Incident]:
    """Builds incidents."""
    return build_incident


@pytest.fixture
def make_bench() -> type[Bench]:
    """Builds dashboards without Kafka."""
    return Bench


@dataclass
class ServedBench:
    """A dashboard in a thread of its own, for a browser driven from this one."""

    bench: Bench
    address: str
    loop: asyncio.AbstractEventLoop

    def do(self, deed: Callable[[DashboardState], object]) -> None:
        """Run ``deed(state)`` in the dashboard's thread."""
        done = threading.Event()

        def run() -> None:
            deed(self.bench.state)
            done.set()

        self.loop.call_soon_threadsafe(run)
        assert done.wait(5)


@pytest.fixture
def served() -> Iterator[ServedBench]:
    """A dashboard that a browser can be pointed at."""
    started, addresses, stop = threading.Event(), [], []
    bench = Bench()

    async def main() -> None:
        stop.append(asyncio.Event())
        async with bench.serve() as address:
            addresses.append((address, asyncio.get_running_loop()))
            started.set()
            await stop[0].wait()

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    assert started.wait(10)
    address, loop = addresses[0]
    yield ServedBench(bench, address, loop)
    loop.call_soon_threadsafe(stop[0].set)
    thread.join(10)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Chromium without a window. While it is open no event loop can run in this thread: Playwright has its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: `make browser` installs it on Debian")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for a module without asyncio tests."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, served: ServedBench) -> Iterator[Page]:
    """A page of that browser; what it reports as wrong, or asks of another host, fails the test."""
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.set_default_timeout(8_000)
    wrong: list[str] = []

    def said(message: ConsoleMessage) -> None:
        # The browser's own reports: of a dropped connection, and of a photo that is not shown for having changed.
        lost_stream = message.location["url"].endswith("/stream")
        changed = "/photos/" in message.location["url"] and "409" in message.text
        if message.type in {"error", "warning"} and not lost_stream and not changed:
            wrong.append(message.text)

    page.on("console", said)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(served.address) else wrong.append(request.url))
    yield page
    page.close()
    assert wrong == []


@pytest.fixture
def open_browser() -> Callable[[], AbstractContextManager[Browser]]:
    """Opens Chromium for a part of one test."""
    return chromium
