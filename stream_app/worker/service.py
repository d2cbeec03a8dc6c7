"""One replica of the worker: its services, how they start, stop and fail together."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import NoReturn

from aiokafka.errors import KafkaError
from mode import Service, Worker
from mode.types import ServiceT

from model.load import give_back_memory, load_scorer
from model.scorer import ModelInfo
from stream_app.kafka.clients import execute
from stream_app.pipeline.feed.reader import Feed
from stream_app.pipeline.labelling.models import Load, Models, SwapError
from stream_app.settings import Settings
from stream_app.worker.admin import Admin
from stream_app.worker.labeller import Fetcher, Labeller, MakeFetcher
from stream_app.worker.metrics import Metrics
from stream_app.worker.publisher import Publisher
from stream_app.worker.room import Room
from stream_app.worker.topics import TopicWatch

_WATCH_S = 0.2
_GIVE_BACK_S = 10.0
_SWITCH_S = 1e-4
"""After so long a thread that waits for Python's lock gets it. By default that is 5 ms: while the event loop reads or
describes a chunk of posts, some 10 ms, each of a pass's hundreds of operations waited so long, and a core was idle."""
_STALLED_DRAIN_S = 1.0
"""What has not moved for long is not waited for when the process is to end."""
CLOSING_S = 3.0
"""What closing takes at most once the last transaction was waited for."""


class Replica(Service):
    """A replica: admin server, model, publisher, feed, a watch on its topics and labeller, started in this order.

    The publisher starts before the feed, so that a killed predecessor's transaction is over before its offsets are
    read. If one of them dies all stop, and the process ends with an error for its supervisor to restart it.

    Args:
        settings: All settings.
        load: Loads a scorer by its source; tests bring their own.
        make_fetcher: Opens the image fetcher; the safe one by default.
        once_idle_s: Stop after this long without anything to do; None runs until stopped.
        on_idle: Called then.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        load: Load = load_scorer,
        make_fetcher: MakeFetcher | None = None,
        once_idle_s: float | None = None,
        on_idle: Callable[[], None] | None = None,
        **options: object,
    ) -> None:
        super().__init__(**options)
        self.settings = settings
        self.metrics = Metrics()
        self.models = Models(settings.model, load)
        self.feed = Feed(settings, self.drain, self.metrics.expired)
        self.room = Room(settings.labelling.max_in_flight, int(settings.labelling.max_in_flight_mb * 2**20))
        self.publisher = Publisher(settings, self.feed, self.room, self.metrics)
        self.labeller = Labeller(
            settings,
            self.feed,
            self.models,
            self.publisher,
            metrics=self.metrics,
            make_fetcher=make_fetcher or self._safe_fetcher,
        )
        self.topics = TopicWatch(settings, self.feed)
        self.admin = Admin(settings.worker, self)
        self._once_idle_s, self._on_idle = once_idle_s, on_idle
        self._well_at = time.monotonic()

    def on_init_dependencies(self) -> list[ServiceT]:
        """The services, in the order they start; they stop in reverse."""
        return [self.admin, self.models, self.publisher, self.feed, self.topics, self.labeller]

    async def on_start(self) -> None:
        """Read the language model, and listen for SIGHUP."""
        await asyncio.to_thread(self.labeller.enrich.warm_up)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._on_hangup)

    async def on_started(self) -> None:
        """Tell which model labels, and spare the garbage collector what stays for good."""
        self.metrics.model(self.models.entry)
        # Posts are freed by their reference counts. Walking the gazetteer, the model and all posts in memory again
        # and again for cycles took a third of the time per post. So many new objects take 30 ms; with ten times as many
        # nothing else happened for a third of a second.
        gc.collect()
        gc.freeze()
        gc.set_threshold(20_000, 20, 100)

    async def on_stop(self) -> None:
        """Let the running transaction end while Kafka still counts us as a member; what waits is our successor's."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        try:
            async with asyncio.timeout(_STALLED_DRAIN_S if self._stalled() else self.settings.worker.drain_timeout_s):
                await self.drain()
        except TimeoutError:
            self.log.warning("the last transaction did not end in time; Kafka will abort it")

    async def drain(self) -> None:
        """Publish what is being published, drop all other work: it was not committed, so whoever is next does it."""
        self.labeller.drop()
        await self.publisher.drain()
        self.labeller.drop()

    async def swap_model(self, source: str | None) -> ModelInfo:
        """Use another model from the next batch on; see :meth:`Models.swap`."""
        model = await self.models.swap(source)
        self.labeller.forget()
        self.metrics.model(model)
        return model

    def ill(self) -> str | None:
        """Why the process should be restarted, or None."""
        return f"crashed: {self.crash_reason!r}" if self.crashed else self._stalled()

    def _stalled(self) -> str | None:
        silent = time.monotonic() - self._well_at
        if silent < self.settings.worker.stall_s:
            return None
        return f"posts wait and nothing was committed for {silent:.0f} s: is Kafka well, and is each topic there?"

    @Service.task  # type: ignore[untyped-decorator]
    async def _watch(self) -> None:
        """Note when there was last nothing to do, or something done."""
        commits = -1
        while not self.should_stop:
            # A restart would not bring the schema registry back.
            idle = self.feed.registry.trouble or not self.feed.partitions or not self.feed.waiting()
            busy = self.room.taken or not idle
            if not busy or commits != self.publisher.commits:
                self._well_at, commits = time.monotonic(), self.publisher.commits
            await self.sleep(_WATCH_S)

    def unready(self) -> str | None:
        """Why no posts are labelled yet, or None."""
        if not self.models.loaded:
            return "the model is being loaded"
        if self.topics.missing:
            return f"no topic {', '.join(self.topics.missing)}: make it, or start a worker, which does"
        if self.feed.registry.trouble:
            return self.feed.registry.trouble
        if not self.feed.partitions:
            return "no partitions are assigned"
        return self.ill()

    def metrics_text(self) -> bytes:
        """Metrics as of now."""
        lag = {each.partition: records for each, records in self.feed.lag().items()}
        return self.metrics.text(lag, self.room.taken)

    @Service.task  # type: ignore[untyped-decorator]
    async def _give_back_memory(self) -> None:
        while not self.should_stop:
            await self.sleep(_GIVE_BACK_S)
            await asyncio.to_thread(give_back_memory)

    @Service.task  # type: ignore[untyped-decorator]
    async def _stop_when_idle(self) -> None:
        idle_since = time.monotonic()
        while self._once_idle_s is not None and not self.should_stop:
            await self.sleep(0.1)
            # Waiting for the model or for partitions is no idleness: there may be posts that nobody has looked for yet.
            busy = self.room.taken or not self.feed.partitions or self.feed.unread()
            idle_since = time.monotonic() if busy else max(idle_since, self.labeller.last_read)
            if time.monotonic() - idle_since > self._once_idle_s and self._on_idle:
                self._on_idle()
                return

    def _on_hangup(self) -> None:
        self.add_future(self._reload())

    async def _reload(self) -> None:
        try:
            await self.swap_model(None)
        except SwapError as error:
            self.log.error("%s; the model in use stays", error)  # noqa: TRY400 - the sentence says it all

    def _safe_fetcher(self) -> AbstractAsyncContextManager[Fetcher]:
        from stream_app.pipeline.media.fetch import MediaFetcher

        return MediaFetcher(self.settings.media, prepare=self.models.prepare)


def run(
    settings: Settings,
    *,
    load: Load = load_scorer,
    make_fetcher: MakeFetcher | None = None,
    once_idle_s: float | None = None,
    loglevel: str = "INFO",
) -> NoReturn:
    """Run one replica in this process until SIGTERM, SIGINT or, with ``once_idle_s``, until nothing is left to do.

    Exits with 0 when stopped, 1 when a service died.

    Raises:
        aiokafka.errors.KafkaError: what a service died of, for the command line to put into words.
        SwapError: the model cannot be used.
    """
    sys.setswitchinterval(_SWITCH_S)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    stopping: list[asyncio.Task[None]] = []

    def stop() -> None:
        stopping.append(loop.create_task(worker.stop()))

    replica = Replica(settings, load=load, make_fetcher=make_fetcher, once_idle_s=once_idle_s, on_idle=stop)
    worker = Worker(replica, loglevel=loglevel, redirect_stdouts=False, loop=loop)
    execute(worker, settings.worker.drain_timeout_s + CLOSING_S, (KafkaError, OSError, SwapError))
