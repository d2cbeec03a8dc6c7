"""Manners towards hosts: so many fetches of one at a time, and none for a while from one that keeps us waiting.

Circuit breakers (Nygard, "Release It!", 2007) for each registered domain and for each address: closed while pictures
come in time, open after a few more slow fetches than quick ones, half-open when ``PAUSE_S`` is over: then one fetch
tries, the others still skip. Names below one domain cost nothing, and neither do domains, but somebody must pay for an
address; of IPv6 everybody has a network of 2**64, which counts as one. A host that says how long it wants to be left
alone (Retry-After: RFC 9110, section 10.2.3) is left alone. A worker that is late itself blames nobody for
it (:class:`~stream_app.pipeline.media.lateness.Lateness`).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache, lru_cache
from ipaddress import IPv4Address, IPv6Network, ip_address

from publicsuffixlist import PublicSuffixList

from stream_app.pipeline.media.addresses import embedded
from stream_app.pipeline.media.outcome import NotUsedError

STRIKES = 3
ADDRESS_STRIKES = 6
"""More than for a domain: behind one address of a large network's there may be many who are not to blame."""
PAUSE_S = 60.0
MAX_PAUSE_S = 600.0
"""However long a host asks to be left alone."""
APART_S = 0.08
"""How long one that waited for its turn in vain keeps it: 200 a second go on, and not the posts of two seconds at once,
for which everybody else would have to wait while they are published."""
REMEMBERED = 4096
"""Domains, and addresses, whose state is kept; the longest unseen is forgotten first."""


class BusyError(NotUsedError):
    """The host answered 429 or 503; ``pause_s`` is how long it asked to be left alone, None where it did not say."""

    def __init__(self, reason: str, pause_s: float | None) -> None:
        super().__init__("failed", reason)
        self.pause_s = pause_s


class PausedError(ConnectionError):
    """An address is left alone for now. An ``OSError``, so that aiohttp tries the host's next address."""


@dataclass(slots=True)
class _Breaker:
    limit: int
    per_host: int
    turns: asyncio.Semaphore = field(init=False)
    strikes: int = 0
    open_until: float = 0.0
    asked: bool = False
    probing: bool = False

    def __post_init__(self) -> None:
        self.turns = asyncio.Semaphore(self.per_host)

    def refusal(self, now: float) -> str | None:
        if now >= self.open_until:
            return None
        if self.asked:
            return f"asked to be left alone for another {self.open_until - now:.0f} s"
        return f"did not answer in time {self.strikes} times more often than it did"

    def admit(self, now: float) -> str | None:
        """Why not, or None; after a pause one fetch is the probe, and the next must wait for its result."""
        if (reason := self.refusal(now)) is None and (self.strikes >= self.limit or self.asked):
            self.open_until, self.asked, self.probing = now + PAUSE_S, False, True
            self.strikes = max(self.strikes, self.limit)
        return reason

    def strike(self, now: float) -> None:
        self.strikes += 1
        self.probing = False
        if self.strikes >= self.limit:
            self.open_until = max(self.open_until, now + PAUSE_S)

    def pause(self, now: float, seconds: float) -> None:
        self.open_until, self.asked = now + min(max(seconds, 1.0), MAX_PAUSE_S), True

    def forgive(self) -> None:
        """One quick answer makes good for one slow one, a probe's for all: being quick at times is not enough."""
        self.strikes = 0 if self.probing else max(self.strikes - 1, 0)
        if self.probing and not self.asked:
            self.open_until = 0.0
        self.probing = False


class Turn:
    """One fetch at a host: how long it has waited for something else than the host, and the addresses it met."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.addresses: set[str] = set()
        self._clock = clock
        self.began = clock()
        self._excused = 0.0

    @asynccontextmanager
    async def excused(self, room: AbstractAsyncContextManager[object]) -> AsyncIterator[None]:
        """Enter ``room``; waiting for it is not the host's fault."""
        began = self._clock()
        try:
            await room.__aenter__()
        finally:
            self._excused += self._clock() - began
        try:
            yield
        finally:
            await room.__aexit__(None, None, None)

    @property
    def took_s(self) -> float:
        """Seconds that the host has had so far."""
        return self._clock() - self.began - self._excused


_TURN: ContextVar[Turn | None] = ContextVar("turn", default=None)
"""The turn on whose behalf a connection is made: aiohttp dials deep below, and maybe for another task of ours."""


class Hosts:
    """State of every domain and address lately fetched from.

    ``patience_s``: a fetch that takes its host at least this long is a strike, whether something came of it or not;
    less what we may have been late to hear since it began, by ``our_lateness``.
    """

    def __init__(
        self,
        per_host: int,
        patience_s: float,
        clock: Callable[[], float] = time.monotonic,
        our_lateness: Callable[[float], float] = lambda began: 0.0,  # noqa: ARG005
    ) -> None:
        self._per_host = per_host
        self._patience_s = patience_s
        self._clock = clock
        self._our_lateness = our_lateness
        self._domains: OrderedDict[str, _Breaker] = OrderedDict()
        self._addresses: OrderedDict[str, _Breaker] = OrderedDict()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[Turn]:
        """Wait for a turn at host ``name`` and hold it.

        Only a picture, a redirect or a file that is no picture, in time, speaks for the host. An error does not.

        Raises:
            NotUsedError: skipped, because the host keeps being late or asked to be left alone.
        """
        domain = self._of(self._domains, registered_domain(name), STRIKES)
        if reason := domain.refusal(self._clock()):
            raise NotUsedError("skipped", f"the host {reason}")
        async with domain.turns:
            if reason := domain.admit(self._clock()):  # it may have opened while this fetch waited for its turn
                await asyncio.sleep(APART_S)
                raise NotUsedError("skipped", f"the host {reason}")
            turn = Turn(self._clock)
            token = _TURN.set(turn)
            try:
                yield turn
            except BusyError as busy:
                self._judge(domain, turn, well=False)
                if busy.pause_s is None:
                    domain.strike(self._clock())
                else:
                    domain.pause(self._clock(), busy.pause_s)
                raise
            except NotUsedError as error:
                self._judge(domain, turn, well=error.status in ("unsupported", "too_large"))
                raise
            except BaseException:
                self._judge(domain, turn, well=False)
                raise
            else:
                self._judge(domain, turn, well=True)
            finally:
                _TURN.reset(token)

    def meet(self, address: str) -> None:
        """Note that a fetch is about to use ``address``, or has a connection to it already.

        Raises:
            PausedError: whatever is there keeps being late.
        """
        turn = _TURN.get()
        if turn is None or address in turn.addresses:
            return
        if reason := self._of(self._addresses, payer(address), ADDRESS_STRIKES).admit(self._clock()):
            raise PausedError(f"the host at {address} {reason}")
        turn.addresses.add(address)

    def _judge(self, domain: _Breaker, turn: Turn, *, well: bool) -> None:
        now = self._clock()
        late = turn.took_s - self._our_lateness(turn.began) >= self._patience_s
        for breaker in (
            domain,
            *(self._of(self._addresses, each, ADDRESS_STRIKES) for each in map(payer, turn.addresses)),
        ):
            if late:
                breaker.strike(now)
            elif well:
                breaker.forgive()

    def _of(self, known: OrderedDict[str, _Breaker], name: str, limit: int) -> _Breaker:
        breaker = known.get(name)
        if breaker is None:
            breaker = known[name] = _Breaker(limit, self._per_host)
        known.move_to_end(name)
        if len(known) > REMEMBERED:
            known.popitem(last=False)
        return breaker


@lru_cache(REMEMBERED)
def payer(address: str) -> str:
    """What somebody pays for: an IPv4 address, also one that an IPv6 address carries, or the first 64 bits of IPv6."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    if carried := next((inner for _, inner in embedded(parsed)), None):
        return str(carried)
    return str(IPv6Network((parsed, 64), strict=False))


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


@lru_cache(REMEMBERED)
def registered_domain(name: str) -> str:
    """What somebody registered of a host's name, by the public suffix list of the library; an address as it is.

    https://publicsuffix.org: below ``co.uk`` or ``github.io`` anybody may have a name, so those are nobody's domain.
    """
    try:
        return str(ip_address(name.strip("[]")))
    except ValueError:
        lower = name.lower().rstrip(".")
        return str(_suffixes().privatesuffix(lower) or lower)
