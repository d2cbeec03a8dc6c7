"""The dashboard as one thing to start and stop: the web server and its readers of Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial

from stream_app.dashboard.app import Desk, build_app, listening
from stream_app.dashboard.explainer import Explainer
from stream_app.dashboard.follow import follow_decisions, follow_emerging, follow_incidents, follow_posts
from stream_app.dashboard.hub import Hub, broadcast
from stream_app.dashboard.lag import watch_lag
from stream_app.dashboard.past import Past, first_event, read_events
from stream_app.dashboard.state import DashboardState
from stream_app.dashboard.thumbnails import Thumbnails, enlarge, shrink
from stream_app.dashboard.verdicts import recorder
from stream_app.decisions.store import decider
from stream_app.pipeline.media.fetch import MediaFetcher
from stream_app.settings import Settings


@asynccontextmanager
async def dashboard(settings: Settings) -> AsyncIterator[str]:
    """Run the whole dashboard until exit; yields its address.

    Raises:
        OSError: the port is taken.
    """
    state = DashboardState(settings.dashboard, settings.alerts)
    hub = Hub(state.snapshot)
    media = settings.media.model_copy(update={"cached_images": 0})  # the encoded thumbnails are kept instead
    async with (
        MediaFetcher(media, prepare=shrink) as small,
        MediaFetcher(media, prepare=enlarge) as large,
        recorder(settings) as record,
        decider(settings) as decide,
    ):
        thumbnails = Thumbnails(small, settings.dashboard.thumbnails)
        photos = Thumbnails(large, settings.dashboard.large_photos)

        def forget(urls: Iterable[str]) -> None:
            addresses = list(urls)
            thumbnails.forget(addresses)
            photos.forget(addresses)

        state.forget_photos = forget
        explainer = Explainer(settings.model if settings.dashboard.reasons else None, photos)
        past = Past(
            state,
            partial(read_events, settings),
            partial(first_event, settings),
            timedelta(minutes=settings.dashboard.history_minutes or 60),
        )
        app = build_app(Desk(settings.dashboard, state, hub, thumbnails, photos, record, decide, explainer, past))
        async with (
            listening(app, settings.dashboard.host, settings.dashboard.port) as url,
            asyncio.TaskGroup() as group,  # inside: it would wrap the error of a taken port
        ):
            tasks = [
                group.create_task(work)
                for work in (
                    follow_posts(settings, state),
                    follow_incidents(settings, state),
                    follow_emerging(settings, state),
                    follow_decisions(settings, state),
                    watch_lag(settings, state),
                    broadcast(state, hub),
                )
            ]
            try:
                yield url
            finally:
                for task in tasks:
                    task.cancel()
                explainer.close()
