"""Sends what is due, each channel by itself: one that is down delays no other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from stream_app.notify.channels import Channel, NotNowError, RefusedError
from stream_app.notify.health import Health
from stream_app.notify.notice import Notice
from stream_app.notify.outbox import Outbox
from stream_app.settings import NotifyChannel

logger = logging.getLogger(__name__)

_LONGEST_S = 300.0
_LOOK_S = 30.0


class Sender:
    """Tells one channel. ``silent(now)`` gives a predicate on notices that nobody wants any more, and
    ``current`` a notice as it would be worded now, None when what it tells of is gone: one may have waited for hours.
    """

    def __init__(
        self,
        settings: NotifyChannel,
        channel: Channel,
        outbox: Outbox,
        silent: Callable[[datetime], Callable[[Notice], bool]],
        current: Callable[[Notice], Notice | None],
        health: Health,
        retry_s: float,
    ) -> None:
        self._settings, self._channel, self._outbox = settings, channel, outbox
        self._silent, self._current, self._health, self._retry_s = silent, current, health, retry_s
        self._tries: dict[str, int] = {}
        self._not_before: dict[str, datetime] = {}

    async def run(self) -> None:
        """Send for ever."""
        while True:
            now = datetime.now(UTC)
            mine = [notice for notice in self._outbox.open if notice.channel == self._settings.name]
            self._health.waiting.labels(self._settings.name).set(len(mine))
            ready = [notice for notice in mine if self._when(notice) <= now]
            if ready:
                await self._send(together(ready), now)
                continue
            wait = min((self._when(notice) for notice in mine), default=now + timedelta(seconds=_LOOK_S)) - now
            await self._outbox.change(min(max(wait.total_seconds(), 0.01), _LOOK_S))

    def _when(self, notice: Notice) -> datetime:
        return max(notice.due, self._not_before.get(notice.delivery or "", notice.due))

    async def _send(self, notices: Sequence[Notice], now: datetime) -> None:
        if notices[0].state == "queued":
            silent = self._silent(now)
            worded = {notice.key: None if silent(notice) else self._current(notice) for notice in notices}
            quiet = [notice for notice in notices if worded[notice.key] is None]
            if quiet:
                await self._outbox.end(quiet, "silenced", "muted, false, closed or withdrawn by now")
                self._health.became(self._settings.name, "silenced", len(quiet))
            wanted = [notice for notice in worded.values() if notice is not None]
            if not wanted:
                return
            notices = await self._outbox.begin(wanted)
        delivery = notices[0].delivery
        assert delivery is not None
        try:
            await self._channel.tell(delivery, notices)
        except RefusedError as error:
            await self._fail(notices, str(error))
        except NotNowError as error:
            await self._later(notices, delivery, error, now)
        else:
            await self._outbox.end(notices, "sent")
            self._forget(delivery)
            self._health.became(self._settings.name, "sent", len(notices))

    async def _later(self, notices: Sequence[Notice], delivery: str, error: NotNowError, now: datetime) -> None:
        self._health.trouble(self._settings.name, str(error))
        if now - max(notice.due for notice in notices) > timedelta(hours=self._settings.give_up_h):
            await self._fail(notices, f"given up after {self._settings.give_up_h:g} h: {error}")
            return
        tries = self._tries[delivery] = self._tries.get(delivery, 0) + 1
        wait = error.after_s if error.after_s is not None else min(self._retry_s * 2 ** min(tries - 1, 16), _LONGEST_S)
        self._not_before[delivery] = datetime.now(UTC) + timedelta(seconds=wait)
        logger.warning("%s: %s; again in %.0f s (try %d failed)", self._settings.name, error, wait, tries)

    async def _fail(self, notices: Sequence[Notice], problem: str) -> None:
        for notice in notices:
            logger.error("%s was not told of %s: %s", self._settings.name, notice.key, problem)
        await self._outbox.end(notices, "failed", problem)
        self._forget(notices[0].delivery or "")
        self._health.trouble(self._settings.name, problem)
        self._health.became(self._settings.name, "failed", len(notices))

    def _forget(self, delivery: str) -> None:
        self._tries.pop(delivery, None)
        self._not_before.pop(delivery, None)


def together(ready: Sequence[Notice]) -> list[Notice]:
    """What goes out next, in one message: a delivery already begun, else the oldest, with the rest of its digest."""
    begun = [notice for notice in ready if notice.state == "begun"]
    if begun:
        return [notice for notice in begun if notice.delivery == begun[0].delivery]
    first = ready[0]
    if not first.digest:
        return [first]
    return [notice for notice in ready if notice.digest and notice.rule == first.rule]
