"""``notify`` as one thing to run: it reads, remembers and sends until it is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

import aiohttp

from stream_app.notify.channels import channel_of
from stream_app.notify.health import Health
from stream_app.notify.notice import Notice
from stream_app.notify.outbox import outbox
from stream_app.notify.reader import Reader
from stream_app.notify.rules import Rules, silenced
from stream_app.notify.sender import Sender
from stream_app.probes import Probes
from stream_app.settings import Settings


async def notify(settings: Settings, since: datetime | None = None) -> None:
    """Tell people by the rules of ``settings.notify``, for ever.

    Raises:
        ValueError: a channel's address or a rule's place cannot be read; the message names it.
        aiokafka.errors.KafkaError: Kafka cannot be reached or refuses; ``ProducerFenced`` once a newer process began.
        OSError: the port for health is taken.
    """
    asked, rules = settings.notify, Rules(settings.notify, settings.dashboard.address)
    async with aiohttp.ClientSession() as web, outbox(settings) as box:
        channels = {each.name: channel_of(each, web) for each in asked.channel}
        reader = Reader(settings, rules, box)
        health = Health(reader.ready.is_set)

        def silent(now: datetime) -> Callable[[Notice], bool]:
            return silenced(reader.showcase.items.values(), now)

        def current(notice: Notice) -> Notice | None:
            if notice.kind in ("alert", "count"):
                return notice
            item = reader.showcase.items.get(notice.subject)
            return None if item is None else notice.model_copy(update=rules.words(item, notice.kind))

        probes = Probes(asked.http_host, asked.http_port, health)
        await probes.start()
        try:
            for notice in await box.load(settings):
                rules.recall(notice)
            async with asyncio.TaskGroup() as group:
                group.create_task(reader.run(since))
                await reader.ready.wait()  # else what was muted meanwhile might go out
                for each in asked.channel:
                    sender = Sender(each, channels[each.name], box, silent, current, health, asked.retry_s)
                    group.create_task(sender.run())
        finally:
            await probes.stop()


async def try_channel(settings: Settings, notice: Notice) -> None:
    """Tell one channel ``notice``, without Kafka.

    Raises:
        stream_app.notify.channels.NotNowError: it did not get through.
        stream_app.notify.channels.RefusedError: the receiver would not have it.
        ValueError: the channel's address cannot be read.
    """
    (asked,) = [each for each in settings.notify.channel if each.name == notice.channel]
    async with aiohttp.ClientSession() as web:
        await channel_of(asked, web).tell(notice.key, [notice])
