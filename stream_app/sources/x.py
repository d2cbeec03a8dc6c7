"""X: the filtered stream of API v2, an endless HTTP answer of one JSON post a line and a blank line every 20 s.

https://docs.x.com/x-api/posts/filtered-stream. Its past cannot be asked for but for ``backfill_minutes``, which only
some plans have; without it every absence is a gap, and is told as one.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

import aiohttp
import orjson

from stream_app.settings import SourceSettings
from stream_app.sources.frame import DisconnectedError, Frame, Gap, SourceError
from stream_app.sources.place import Place
from stream_app.sources.refusal import answered, asked, refused

logger = logging.getLogger(__name__)

_SILENT_S = 30.0
"""X sends a blank line every 20 s."""
_MOST_BYTES = 8 * 1024 * 1024
_RULE_CHARS = 512
"""What every plan's rules may hold."""
_TAG = "crisis-stream"
_EPOCH_MS = 1_288_834_974_657
"""The moment from which X's ids count milliseconds, in all but the lowest 22 bits."""
_BOX_DEGREES = 0.36
"""X takes boxes of 25 miles: this much of a degree, or less, at the equator."""


class X:
    """Posts that match the rules; ``position`` is the highest id seen."""

    name = "x"

    def __init__(self, settings: SourceSettings) -> None:
        mine = settings.x
        if not mine.token:
            raise SourceError("X's stream needs an app's bearer token: set CRISIS_STREAM_SOURCES__X__TOKEN")
        self._settings = mine
        self._rules = mine.rules or rules_for(settings)
        headers = {"Authorization": f"Bearer {mine.token.get_secret_value()}"}
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30, sock_read=_SILENT_S)
        self._session = aiohttp.ClientSession(headers=headers, timeout=timeout)
        self._ruled = False
        self.position = _id_at(time.time())

    async def close(self) -> None:
        """Let go of connections."""
        await self._session.close()

    async def frames(self, place: Place) -> AsyncGenerator[Frame]:
        """One connection; see :class:`~stream_app.sources.frame.Network`."""
        try:
            await self._rule()
            back, gap = self._backfill(place, time.time())
            wanted = dict(self._settings.parameters) | ({"backfill_minutes": str(back)} if back else {})
            began = _id_at(time.time())
            async with self._session.get(self._settings.url, params=wanted) as answer:
                if answer.status != 200:
                    said = (await answer.content.read(300)).decode(errors="replace")
                    raise answered(self._settings.url, answer.status, answer.headers, said)
                place.host = self._settings.url
                yield Frame(gap=gap)
                async for line in _lines(answer.content):
                    yield _frame(line, place.position, began)
            raise DisconnectedError("X closed the stream")
        except TimeoutError as error:
            raise DisconnectedError(f"X: silent for {_SILENT_S:.0f} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise refused(self._settings.url, error) from error

    def _backfill(self, place: Place, now: float) -> tuple[int, Gap | None]:
        """The minutes to ask for, and what they do not cover."""
        if place.heard == 0.0:
            return 0, None
        most = self._settings.backfill_minutes
        minutes = min(max(math.ceil((now - place.heard) / 60), 1), most)
        if now - place.heard <= most * 60:
            return minutes, None
        why = f"X sends again what the last {most} minutes held" if most else "X sends nothing again on this plan"
        return minutes, Gap(_moment(place.heard), _moment(now - minutes * 60), why)

    async def _rule(self) -> None:
        """Make this program's rules at X those that are wanted; other rules stay as they are."""
        if self._ruled:
            return
        url = f"{self._settings.url}/rules"
        there = (await asked(self._session, url, dict)).get("data") or []
        ours = {rule["value"]: rule["id"] for rule in there if str(rule.get("tag", "")).startswith(_TAG)}
        if others := len(there) - len(ours):
            logger.warning("X has %d rules that are not of this program: their posts come too", others)
        if gone := [number for value, number in ours.items() if value not in self._rules]:
            await asked(self._session, url, dict, method="POST", json={"delete": {"ids": gone}})
        if new := [{"value": value, "tag": _TAG} for value in self._rules if value not in ours]:
            made = await asked(self._session, url, dict, method="POST", json={"add": new})
            if errors := made.get("errors"):
                said = "; ".join(f"{error.get('value', '')}: {error.get('title') or error}" for error in errors)
                raise SourceError(f"X refuses rules: {said[:600]}: check sources.x.rules or the filters")
        self._ruled = True


def rules_for(settings: SourceSettings) -> tuple[str, ...]:
    """Rules for the words and the small boxes, each with the languages; the filter here has the last word.

    Raises:
        SourceError: nothing is left to ask for, since X's stream is of rules only.
    """
    suffix = " OR ".join(f"lang:{language}" for language in settings.languages)
    suffix = f" ({suffix})" if suffix else ""
    words = [
        f'"{word}"' if not word.isalnum() else word for word in (each.replace('"', " ") for each in settings.words)
    ]
    rules = [f"({joined}){suffix}" for joined in _joined(words, _RULE_CHARS - len(suffix) - 2)]
    for west, south, east, north in settings.boxes:
        if not (0 < east - west <= _BOX_DEGREES and 0 < north - south <= _BOX_DEGREES):
            logger.warning("X takes no box of over 25 miles: %s is left out", (west, south, east, north))
            continue
        rules.append(f"bounding_box:[{west} {south} {east} {north}]{suffix}")
    if not rules:
        raise SourceError("X's stream is of rules only: give sources.x.rules, or sources.words")
    return tuple(rules)


def _joined(words: Sequence[str], most: int) -> list[str]:
    """The words, as few alternatives to a rule as fit into it."""
    joined: list[str] = []
    for word in words:
        longer = f"{joined[-1]} OR {word}" if joined else word
        if joined and len(longer) <= most:
            joined[-1] = longer
        else:
            joined.append(word)
    return joined


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes]:
    """The lines of an endless answer, blank ones too."""
    rest = b""
    async for chunk in content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.rstrip(b"\r")
        if len(rest) > _MOST_BYTES:
            raise DisconnectedError("X: a line of over 8 MiB")


def _frame(line: bytes, highest: int, began: int) -> Frame:
    """What a post is known by. What cannot be read goes into the feed, to become a dead letter; errors end the stream.

    Raises:
        DisconnectedError: X says that it ends the stream.
    """
    if not line.strip():
        return Frame()
    try:
        message = orjson.loads(line)
        if "data" not in message and (errors := message.get("errors")):
            raise DisconnectedError(f"X: {errors[0].get('detail') or errors[0].get('title')}")
        name = str(message["data"]["id"])
        number = int(name)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError):
        return Frame(line)
    return Frame(line, name.encode(), name, max(highest, number), number, again=number < began)


def _id_at(seconds: float) -> int:
    return (int(seconds * 1000) - _EPOCH_MS) << 22


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
