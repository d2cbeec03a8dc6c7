"""The incidents and acts known so far, and what of it people see has changed since last asked. Bounded, and no I/O."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Mapping

from stream_app.decisions.act import Decision
from stream_app.decisions.board import Board, fold
from stream_app.decisions.shown import Said, Shown, shown
from stream_app.incidents.incident import Incident

_SAID = 10
"""Things said before that are remembered of an incident."""


class Showcase:
    """At most ``limit`` incidents; the one longest without news goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._incidents: OrderedDict[str, Incident] = OrderedDict()
        self._decisions: dict[str, Decision] = {}
        self._board: Board | None = None
        self._items: dict[str, Shown] | None = {}
        self._told: Mapping[str, Shown] = {}
        self._said: defaultdict[str, deque[Said]] = defaultdict(lambda: deque(maxlen=_SAID))

    def get(self, name: str) -> Incident | None:
        """The incident as it was published last."""
        return self._incidents.get(name)

    @property
    def incidents(self) -> list[Incident]:
        """All of them, as published last, the one longest without news first."""
        return list(self._incidents.values())

    def amend(self, incident: Incident) -> None:
        """Put this in the place of the version that is known."""
        self._incidents[incident.id] = incident
        self._items = None

    def put(self, incident: Incident) -> list[Incident]:
        """Take in an incident's newest version; those that had to go for it."""
        self._incidents[incident.id] = incident
        self._incidents.move_to_end(incident.id)
        self._items = None
        self.say(Said(incident.id, str(incident.version), incident.updated_at))
        if len(self._incidents) <= self._limit:
            return []
        name, gone = self._incidents.popitem(last=False)
        self._said.pop(name, None)
        return [gone]

    def drop(self, name: str) -> Incident | None:
        """Forget an incident that was taken back (a tombstone in the compacted topic)."""
        gone = self._incidents.pop(name, None)
        if gone is not None:
            self._items = None
            self._said.pop(name, None)
        return gone

    def act(self, decision: Decision) -> bool:
        """Take in what somebody did, also if the incident comes later; False if it is known."""
        if decision.id in self._decisions:
            return False
        self._decisions[decision.id] = decision
        self._board = self._items = None
        return True

    @property
    def board(self) -> Board:
        """What all acts add up to."""
        if self._board is None:
            self._board = fold(self._decisions.values())
        return self._board

    @property
    def items(self) -> dict[str, Shown]:
        """What people see, by id."""
        if self._items is None:
            self._items = shown(self._incidents, self.board)
        return self._items

    def changes(self) -> tuple[list[Shown], list[str]]:
        """What is shown anew or otherwise since the last call, and the ids of what is shown no more."""
        told, now = self._told, self.items
        if told is now:
            return [], []
        self._told = now
        changed = [item for name, item in now.items() if told.get(name) != item]
        for item in changed:
            self.say(item.said)
        return changed, [name for name in told if name not in now]

    def item(self, name: str) -> Shown | None:
        """What the incident ``name`` is shown as or within, made of those alone that it belongs with."""
        board, root = self.board, self.board.root(name)
        near = {name, root} | {part for part in board.into if board.root(part) == root}
        near |= {cut.source for cut in board.cuts if cut.name in near}
        found = shown({each: self._incidents[each] for each in near if each in self._incidents}, board)
        return next((item for item in found.values() if name in (item.incident.id, *item.parts)), None)

    def earlier(self, item: Shown) -> list[Said]:
        """What was published or shown before of an incident and its parts, as far as is known; the latest last."""
        said = {each for name in (item.incident.id, *item.parts) for each in self._said.get(name, ())}
        return sorted(said - {item.said}, key=lambda each: (each.at, each.incident, each.revision))[-_SAID:]

    def say(self, said: Said) -> None:
        """Remember what was said, for what is said later to refer to."""
        if not any(each.revision == said.revision for each in self._said[said.incident]):
            self._said[said.incident].append(said)
