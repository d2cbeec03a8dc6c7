"""The incidents and acts known so far, and what of it people see has changed since last asked. Bounded, and no I/O."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

from stream_app.decisions.act import Decision
from stream_app.decisions.board import Board, fold
from stream_app.decisions.shown import Shown, shown
from stream_app.incidents.incident import Incident


class Showcase:
    """At most ``limit`` incidents; the one longest without news goes first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._incidents: OrderedDict[str, Incident] = OrderedDict()
        self._decisions: list[Decision] = []
        self._board: Board | None = None
        self._items: dict[str, Shown] | None = {}
        self._told: Mapping[str, Shown] = {}

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
        return [self._incidents.popitem(last=False)[1]] if len(self._incidents) > self._limit else []

    def drop(self, name: str) -> Incident | None:
        """Forget an incident that was taken back (a tombstone in the compacted topic)."""
        gone = self._incidents.pop(name, None)
        if gone is not None:
            self._items = None
        return gone

    def act(self, decision: Decision) -> None:
        """Take in what somebody did, also if the incident comes later."""
        self._decisions.append(decision)
        self._board = self._items = None

    @property
    def board(self) -> Board:
        """What all acts add up to."""
        if self._board is None:
            self._board = fold(self._decisions)
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
        return [item for name, item in now.items() if told.get(name) != item], [
            name for name in told if name not in now
        ]
