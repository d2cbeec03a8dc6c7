"""Incidents as people see them: what the program found, with what analysts said of it. Pure, and the same for all.

Dashboard, ``watch``, the feeds over HTTP and ``notify`` show these; ``crisis-stream incidents`` goes on grouping
as it does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from stream_app.decisions.act import Undo
from stream_app.decisions.board import Board, Cut, Entry, Work
from stream_app.incidents.incident import Incident, IncidentPlace, SupportingPost, Window
from stream_app.pipeline.posts.post import Frozen

_SUPPORTING = 10


class Said(NamedTuple):
    """One thing that was shown, or published, of an incident: what a later message refers to."""

    incident: str
    revision: str
    at: datetime


class Shown(Frozen):
    """One incident on show. ``incident`` has its parts joined, its place corrected, and is closed where it is over."""

    incident: Incident
    work: Work = Work()
    parts: tuple[str, ...] = ()
    """Ids of what was merged into it, itself not among them."""
    log: tuple[Entry, ...] = ()
    revision: str
    """Names what is shown here apart from all that was shown of it before: the version, and what people made of it."""

    @property
    def at(self) -> datetime:
        """When it last changed: its latest post, or the latest act on it."""
        acts = [entry.decision.at for entry in self.log if entry.decision.at is not None]
        return max(self.incident.updated_at, *acts) if acts else self.incident.updated_at

    @property
    def said(self) -> Said:
        """This, as a later message refers to it."""
        return Said(self.incident.id, self.revision, self.at)


def shown(incidents: Mapping[str, Incident], board: Board) -> dict[str, Shown]:
    """Everything on show by id, merged ones under what they were merged into, in the order of ``incidents``.

    A merge into an incident that is not among ``incidents`` (it was forgotten) leaves the part to stand for itself.
    """
    pieces = dict(incidents)
    for cut in board.cuts:
        pieces |= _cut(pieces.get(cut.source), cut)
    groups: dict[str, list[str]] = {}
    for name in pieces:
        groups.setdefault(_leader(name, pieces, board), []).append(name)
    return {
        leader: _shown(leader, [pieces[name] for name in sorted(names, key=lambda name: name != leader)], board)
        for leader, names in groups.items()
        if any(pieces[name].root_count for name in names)
    }


def _leader(name: str, pieces: Mapping[str, Incident], board: Board) -> str:
    leader = name
    while name in board.into:
        name = board.into[name]
        if name in pieces:
            leader = name
    return leader


def _shown(leader: str, parts: Sequence[Incident], board: Board) -> Shown:
    work, incident = board.work(leader), _joined(parts)
    changes: dict[str, object] = {}
    if work.place is not None:
        changes["place"] = IncidentPlace(**work.place.model_dump(), source="analyst")
    if work.over:
        changes["status"] = "closed"
    log = {entry.decision.id: entry for part in parts for entry in board.log.get(part.id, ())}
    entries = sorted(log.values(), key=lambda entry: entry.decision.at.timestamp() if entry.decision.at else 0.0)
    return Shown(
        incident=incident.model_copy(update=changes) if changes else incident,
        work=work,
        parts=tuple(part.id for part in parts[1:]),
        log=tuple(entries),
        revision=_revision(incident.version, parts, entries),
    )


def _revision(version: int, parts: Sequence[Incident], log: Sequence[Entry]) -> str:
    acts = [e.decision.id for e in log if not e.undone and not isinstance(e.decision.act, Undo)]
    if not acts:
        return str(version)
    said = " ".join([*(f"{part.id}:{part.version}" for part in parts), *acts])
    return f"{version}.{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def _joined(parts: Sequence[Incident]) -> Incident:
    """One incident of several, named as the first. What all say is added up; independent authors may be the same
    people in two parts, so they are as many as in the largest, at least.
    """
    if len(parts) == 1:
        return parts[0]
    gravest = max(parts, key=lambda part: part.severity_score)
    latest = max(parts, key=lambda part: part.last_seen)
    posts = sorted((post for part in parts for post in part.posts), key=lambda post: -post.humanitarian)
    return parts[0].model_copy(
        update={
            "version": sum(part.version for part in parts),
            "status": "open" if any(part.status == "open" for part in parts) else "closed",
            "title": gravest.title,
            "category": gravest.category,
            "severity": gravest.severity,
            "severity_score": gravest.severity_score,
            "trend": latest.trend,
            "windows": _windows(latest, parts),
            "first_seen": min(part.first_seen for part in parts),
            "last_seen": latest.last_seen,
            "updated_at": max(part.updated_at for part in parts),
            "place": next((part.place for part in parts if part.place), None),
            "posts": tuple(posts[:_SUPPORTING]),
            "members": tuple(dict.fromkeys(name for part in parts for name in members(part))),
            "author_count": max(part.author_count for part in parts),
            "author_kinds": {
                kind: max(part.author_kinds.get(kind, 0) for part in parts)
                for kind in dict.fromkeys(kind for part in parts for kind in part.author_kinds)
            },
            **{
                count: sum(getattr(part, count) for part in parts)
                for count in ("post_count", "root_count", "repost_count", "near_duplicate_count")
            },
        }
    )


def _windows(latest: Incident, parts: Sequence[Incident]) -> tuple[Window, ...]:
    """The windows of the part seen last, with the others' posts in those they end in; older ones have none."""
    counts = [window.posts for window in latest.windows]
    ends = [window.end for window in latest.windows]
    if len(ends) < 2:
        return latest.windows
    for part in parts:
        for window in () if part is latest else part.windows:
            at = next((number for number, end in enumerate(ends) if window.end <= end), None)
            if at is not None and window.end > ends[0] - (ends[1] - ends[0]):
                counts[at] += window.posts
    return tuple(Window(end=end, posts=posts) for end, posts in zip(ends, counts, strict=True))


def members(incident: Incident) -> tuple[str, ...]:
    """Root posts of an incident as ``network:id``; of one that names none, its supporting posts."""
    return incident.members or tuple(_name(post) for post in incident.posts)


def _name(post: SupportingPost) -> str:
    return f"{post.network}:{post.id}"


def _cut(source: Incident | None, cut: Cut) -> dict[str, Incident]:
    """What becomes of ``source`` and of the posts taken from it; nothing where it has none of them."""
    held = [] if source is None else [name for name in members(source) if name in cut.posts]
    if source is None or not held:
        return {}
    taken = [post for post in source.posts if _name(post) in cut.posts]
    copies = min(sum(post.reposts for post in taken), source.repost_count)
    authors = min(len(held), source.author_count)
    off = source.model_copy(
        update={
            "id": cut.name,
            "posts": tuple(taken),
            "members": tuple(held),
            "root_count": len(held),
            "repost_count": copies,
            "post_count": len(held) + copies,
            "near_duplicate_count": 0,
            "author_count": authors,
            "author_kinds": {},  # whose posts were taken is not known here, nor below
        }
    )
    roots = max(source.root_count - len(held), 0)
    reposts = source.repost_count - copies
    rest = source.model_copy(
        update={
            "posts": tuple(post for post in source.posts if _name(post) not in cut.posts),
            "members": tuple(name for name in members(source) if name not in cut.posts),
            "root_count": roots,
            "repost_count": reposts,
            "post_count": roots + reposts,
            "near_duplicate_count": min(source.near_duplicate_count, max(roots - 1, 0)),
            "author_count": max(min(source.author_count, roots), 1),
            "author_kinds": {},
        }
    )
    return {source.id: rest, cut.name: off}
