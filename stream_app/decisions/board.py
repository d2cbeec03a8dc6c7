"""What all acts add up to. Pure: the same acts in the same order give the same board, whoever folds them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from stream_app.decisions.act import (
    Assign,
    Claim,
    Correct,
    Decision,
    KnownPlace,
    Merge,
    Mute,
    Note,
    SetStatus,
    Split,
    Status,
    Undo,
)
from stream_app.pipeline.posts.post import Frozen

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class Remark(Frozen):
    """A note as it is shown."""

    by: str
    at: datetime | None
    text: str


class Work(Frozen):
    """How far people have come with one incident."""

    status: Status = "new"
    owner: str | None = None
    notes: tuple[Remark, ...] = ()
    place: KnownPlace | None = None
    muted: bool = False
    muted_until: datetime | None = None

    @property
    def over(self) -> bool:
        """Whether nobody need look at it any more."""
        return self.status in ("false", "closed")

    def silent(self, now: datetime) -> bool:
        """Whether no message of it may go out at ``now``."""
        return self.over or (self.muted and (self.muted_until is None or now < self.muted_until))


class Entry(Frozen):
    """A line of the audit trail."""

    decision: Decision
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Cut:
    """Posts that were split off ``source`` into the incident ``name``."""

    name: str
    source: str
    posts: frozenset[str]


@dataclass(frozen=True, slots=True)
class Board:
    """The state of all work. Incidents nobody has touched are in none of its tables."""

    works: Mapping[str, Work] = field(default_factory=dict)
    into: Mapping[str, str] = field(default_factory=dict)
    """What an incident was merged into; never a circle."""
    cuts: Sequence[Cut] = ()
    """In the order in which they were made."""
    log: Mapping[str, tuple[Entry, ...]] = field(default_factory=dict)
    """Every act that concerns an incident, undone ones too, oldest first."""

    def root(self, incident: str) -> str:
        """The incident under which this one is shown."""
        return self.chain(incident)[-1]

    def chain(self, incident: str) -> list[str]:
        """The incident, what it was merged into, what that was merged into, and so on."""
        chain = [incident]
        while chain[-1] in self.into:
            chain.append(self.into[chain[-1]])
        return chain

    def work(self, incident: str) -> Work:
        """The work on one incident."""
        return self.works.get(incident, _UNTOUCHED)

    def last(self, incident: str) -> Decision | None:
        """The latest act on it that an undo would take back."""
        for entry in reversed(self.log.get(incident, ())):
            if not entry.undone and not isinstance(entry.decision.act, Undo):
                return entry.decision
        return None

    def objection(self, decision: Decision) -> str | None:
        """Why an act would do nothing, in a sentence; None where it does something."""
        match decision.act:
            case Merge(into=other) if self.root(other) == self.root(decision.incident):
                return f"{decision.incident} and {other} are one already: nothing to merge."
            case Undo(act=act):
                entry = next((e for e in self.log.get(decision.incident, ()) if e.decision.id == act), None)
                if entry is None:
                    return f"{decision.incident} has no act {act}: its log names those that can be undone."
                if entry.undone:
                    return f"The act {act} is undone already: undo that undo to have it back."
        return None


_UNTOUCHED = Work()


def fold(decisions: Iterable[Decision]) -> Board:
    """The board after ``decisions``, given in the order of the topic; one that comes twice counts once.

    Acts are ordered by their times (the order given where these are equal), so that several partitions do no harm.
    """
    known: dict[str, Decision] = {}
    for decision in sorted(decisions, key=lambda each: each.at or _LONG_AGO):
        known.setdefault(decision.id, decision)
    ordered = list(known.values())
    undone = _undone(ordered)
    works: dict[str, Work] = {}
    board = Board(works, into := {}, cuts := [])
    for decision in ordered:
        if decision.id in undone or isinstance(decision.act, Undo):
            continue
        if isinstance(decision.act, Merge):
            if decision.incident not in board.chain(decision.act.into):  # else it would be merged into itself
                into[decision.incident] = decision.act.into
        elif isinstance(decision.act, Split):
            cuts.append(Cut(cut_name(decision), decision.incident, frozenset(decision.act.posts)))
        else:
            works[decision.incident] = _after(board.work(decision.incident), decision)
    return Board(works, into, tuple(cuts), _log(ordered, undone))


def cut_name(split: Decision) -> str:
    """Id of the incident that a split makes: its source's, and the beginning of the act's."""
    return f"{split.incident}-{split.id[:8]}"


def _undone(ordered: Sequence[Decision]) -> set[str]:
    """Ids of the acts that do not count. An undo counts only after what it names, so one walk backwards settles all."""
    at = {decision.id: number for number, decision in enumerate(ordered)}
    undone: set[str] = set()
    for decision in reversed(ordered):
        act = decision.act
        if isinstance(act, Undo) and decision.id not in undone and at.get(act.act, len(at)) < at[decision.id]:
            undone.add(act.act)
    return undone


def _after(work: Work, decision: Decision) -> Work:
    changed: dict[str, object] = {}
    match decision.act:
        case Claim():
            changed = {"owner": decision.by}
        case Assign(to=to):
            changed = {"owner": to}
        case Note(text=text):
            changed = {"notes": (*work.notes, Remark(by=decision.by, at=decision.at, text=text))}
        case SetStatus(status=status):
            changed = {"status": status}
        case Correct(place=place):
            changed = {"place": place}
        case Mute(until=until):
            changed = {"muted": True, "muted_until": until}
    return work.model_copy(update=changed)


def _log(ordered: Sequence[Decision], undone: set[str]) -> dict[str, tuple[Entry, ...]]:
    known = {decision.id: decision for decision in ordered}
    log: defaultdict[str, list[Entry]] = defaultdict(list)
    for decision in ordered:
        entry = Entry(decision=decision, undone=decision.id in undone)
        for incident in dict.fromkeys(_concerned(decision, known)):
            log[incident].append(entry)
    return {incident: tuple(entries) for incident, entries in log.items()}


def _concerned(decision: Decision, known: Mapping[str, Decision]) -> list[str]:
    match decision.act:
        case Merge(into=other):
            return [decision.incident, other]
        case Split():
            return [decision.incident, cut_name(decision)]
        case Undo(act=act) if act in known and not isinstance(known[act].act, Undo):
            return [decision.incident, *_concerned(known[act], known)]
        case _:
            return [decision.incident]
