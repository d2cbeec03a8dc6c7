"""Decides which incident a post belongs to. No Kafka, no clock of its own: posts and the time in, incidents out.

A post joins the incident of its root. A new root joins an incident in memory, open or closed, whose
posts were written within ``window_h`` of it, when both have a place and lie within reach, or when either has none and
they share a similar text or photo. Among several the one with the most similar text wins, then the nearest. Else it
founds its own. What is withdrawn leaves its incident, a root with its reposts; an edit takes the place of the version
before.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from stream_app.incidents.geometry import KM_PER_DEGREE, Position, Vector, distance_km, position, vector
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import Sighting
from stream_app.incidents.similar import PhotoIndex, TextIndex, text_key
from stream_app.incidents.summary import Root, ended, summarise
from stream_app.incidents.taken import Losses, Taken, bar
from stream_app.pipeline.events.barred import Barred, whose
from stream_app.pipeline.posts.moment import moved
from stream_app.pipeline.posts.post import Place
from stream_app.settings import IncidentSettings

_VAST_KM = 400.0
"""Reach of a coarse place from which two things at a time are likely: see :func:`_unmistakable`."""
_SEVERAL = 3


@dataclass(slots=True)
class _Group:
    id: str
    first: datetime
    last: datetime
    arrived: datetime
    losses: Losses
    roots: dict[str, Root] = field(default_factory=dict)
    total: Vector = (0.0, 0.0, 0.0)
    middle: Position | None = None
    reach_km: float = 0.0
    coarse: bool = True
    country: str | None = None
    closed: bool = False

    def posts(self) -> list[Sighting]:
        """All its posts."""
        return [sighting for root in self.roots.values() for sighting in root.sightings]


class Change(NamedTuple):
    """What a withdrawal or an edit did: posts that are in no incident any more, and incidents of those that changed."""

    gone: tuple[str, ...] = ()
    put: tuple[tuple[str, Sighting], ...] = ()
    losses: tuple[Losses, ...] = ()
    barred: tuple[str, ...] = ()
    """Names that :attr:`Grouping.barred` knows from now on."""


class Forgotten(NamedTuple):
    """What is no longer in memory: posts (``network:id``), incidents, and names that were barred."""

    posts: list[str]
    incidents: list[str]
    barred: list[str]
    last: list[Incident]
    """Last versions of these incidents, in which nothing is left that anybody wrote."""


class Grouping:
    """The incidents in memory. Every post is counted once, however often it is added."""

    def __init__(self, rules: IncidentSettings) -> None:
        self.barred = Barred()
        self._rules = rules
        self._groups: dict[str, _Group] = {}
        self._of_post: dict[str, Sighting] = {}
        self._of_event: dict[str, str] = {}
        self._of_root: dict[str, str] = {}
        self._of_mark: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._located: set[str] = set()
        self._texts = TextIndex(rules.similar_text)
        self._photos = PhotoIndex(rules.same_photo_bits)
        self._changed: dict[str, None] = {}

    def add(self, sighting: Sighting) -> str | None:
        """Put a post where it belongs and return the incident's id; None when it is in one already, or was taken."""
        if sighting.post in self._of_post or self._barred(sighting):
            return None
        incident_id = self._of_root.get(sighting.root)
        if incident_id is None:
            incident_id = self._best(sighting) or _found_id(sighting)
        self.restore(incident_id, sighting)
        return incident_id

    def restore(self, incident_id: str, sighting: Sighting) -> None:
        """Put a post into the incident it was once assigned to; deciding nothing, it rebuilds what was in memory."""
        moment, arrived = sighting.written_at, sighting.arrived_at
        group = self._groups.get(incident_id)
        if group is None:
            losses = Losses(incident=incident_id, at=arrived)
            group = self._groups[incident_id] = _Group(incident_id, moment, moment, arrived, losses)
        if not group.roots:
            group.first = group.last = moment
        group.first = min(group.first, moment)
        group.last = max(group.last, moment)
        group.arrived = max(group.arrived, arrived)
        group.closed = False
        self._put(group, sighting)

    def covers(self, post: str) -> bool:
        """Whether a post (``network:id``) is in an incident that as many authors speak of as one needs."""
        sighting = self._of_post.get(post)
        group = self._groups.get(self._of_root[sighting.root]) if sighting else None
        if group is None:
            return False
        authors = {root.best.author or name for name, root in group.roots.items()}
        return len(authors) >= self._rules.min_authors

    def restore_losses(self, losses: Losses) -> None:
        """Know what an incident has lost; before its posts are restored, since one without any ends."""
        at = losses.at
        self._groups[losses.incident] = _Group(losses.incident, at, at, at, losses)
        self._changed[losses.incident] = None

    def take(self, taken: Taken) -> Change:
        """Let go of what was withdrawn, or put an edited post in the place of its earlier version."""
        barred, meant, new = bar(self.barred, taken), self._meant(taken), taken.instead
        if taken.place_only:
            meant = {n: each for n, each in meant.items() if each.place and each.place.source in ("point", "place")}
            old, put = meant, [each.model_copy(update={"place": None}) for each in meant.values()]
        else:
            old = self._with_reposts(meant)
            put = []
            if new is not None and not self._barred(new) and (new.post in old or new.post not in self._of_post):
                put = [new, *(_as_of(each, new) for name, each in old.items() if name not in meant)]
        were = {name: self._of_root[each.root] for name, each in old.items()}
        groups = self._take_out(old, taken.taken_at)
        placed = []
        for each in put:
            same = were.get(each.post) if taken.place_only else self._of_root.get(each.root)
            empty = next((group.id for group in groups if not group.roots), None)
            incident = same or empty or self._best(each) or _found_id(each)
            self.restore(incident, each)
            placed.append((incident, each))
        gone = tuple(name for name in old if name not in self._of_post)
        return Change(gone, tuple(placed), tuple(group.losses for group in groups), barred)

    def changed(self, now: datetime) -> list[Incident]:
        """The incidents that changed since the last call or close now.

        Those that too few authors speak of are left out, unless they were among these before.
        """
        quiet = moved(now, -timedelta(hours=self._rules.close_after_h))
        for group in self._groups.values():
            if not group.closed and group.arrived < quiet:
                group.closed = True
                self._changed[group.id] = None
        names, self._changed = self._changed, {}
        told = (self._told(self._groups[name]) for name in names if name in self._groups)
        return [incident for incident in told if incident is not None]

    def forget(self, now: datetime) -> Forgotten:
        """Let go of incidents silent for ``forget_after_h``, then of the longest silent while there are too many posts.

        Those that have no post any more go once they are told of.
        """
        silent = moved(now, -timedelta(hours=self._rules.forget_after_h))
        forgotten = Forgotten([], [], self.barred.forget(silent), [])
        for group in [each for each in self._groups.values() if not each.roots and each.id not in self._changed]:
            self._remove(group, forgotten)
        full = (group for group in self._groups.values() if group.roots)
        for group in sorted(full, key=lambda group: (group.arrived, group.id)):
            if group.arrived >= silent and len(self._of_post) <= self._rules.max_posts:
                break
            self._remove(group, forgotten)
        return forgotten

    def __len__(self) -> int:
        """Posts in memory."""
        return len(self._of_post)

    def _put(self, group: _Group, sighting: Sighting) -> None:
        if sighting.root not in group.roots:
            self._add_root(group, sighting)
        group.roots[sighting.root].sightings.append(sighting)
        self._of_post[sighting.post] = sighting
        self._of_event[sighting.event_id] = sighting.post
        self._changed[group.id] = None

    def _told(self, group: _Group) -> Incident | None:
        """What is published of a group, if anything."""
        if not group.roots:
            return ended(group.losses) if group.losses.shown else None
        # No more authors than roots: most groups are one post, and need no summary.
        if not group.losses.shown and len(group.roots) < self._rules.min_authors:
            return None
        incident = self._summary(group)
        if not group.losses.shown and incident.author_count < self._rules.min_authors:
            return None
        group.losses = group.losses.model_copy(update={"shown": True})
        return incident

    def _barred(self, sighting: Sighting) -> bool:
        network, post, root = sighting.network, sighting.post.partition(":")[2], sighting.root.partition(":")[2]
        return self.barred.bars(sighting.event_id, whose(network, post, root, sighting.author), sighting.arrived_at)

    def _meant(self, taken: Taken) -> dict[str, Sighting]:
        """The posts in memory that a withdrawal or an edit names; of an edit not what it says now."""
        names = [*(self._of_event.get(each, "") for each in taken.events), taken.post or ""]
        found = {name: self._of_post[name] for name in names if name in self._of_post}
        if taken.instead is not None:
            return {name: each for name, each in found.items() if each.event_id != taken.instead.event_id}
        if not taken.edited and taken.post in self._of_root:
            found |= self._of(taken.post)
        if taken.author is not None:
            found |= {
                name: each for name, each in self._of_post.items() if f"{each.network}:{each.author}" == taken.author
            }
        return found

    def _of(self, root: str) -> dict[str, Sighting]:
        """A root and its reposts."""
        return {each.post: each for each in self._groups[self._of_root[root]].roots[root].sightings}

    def _with_reposts(self, meant: Mapping[str, Sighting]) -> dict[str, Sighting]:
        """These posts, and the reposts of those that are roots."""
        found = dict(meant)
        for each in meant.values():
            if each.post == each.root:
                found = self._of(each.root) | found
        return found

    def _take_out(self, old: Mapping[str, Sighting], at: datetime) -> list[_Group]:
        """Take posts out of their incidents; these incidents."""
        stale: defaultdict[str, set[str]] = defaultdict(set)
        for name in dict.fromkeys(each.root for each in old.values()):
            group = self._groups[self._of_root[name]]
            before = group.roots[name].sightings
            rest = [each for each in before if each.post not in old]
            stale[group.id] |= self._unroot(group, name)
            for each in before:
                del self._of_post[each.post], self._of_event[each.event_id]
            for each in rest:
                self._put(group, each)
            gone = group.losses.gone + len(before) - len(rest)
            group.losses = group.losses.model_copy(update={"gone": gone, "at": max(at, group.losses.at)})
        groups = [self._groups[name] for name in stale]
        for group in groups:
            self._settle(group, stale[group.id])
        return groups

    def _settle(self, group: _Group, stale: set[str]) -> None:
        """Reckon anew what a group has from all its posts; ``stale`` marks may tie two of them no more."""
        self._changed[group.id] = None
        times = [each.written_at for each in group.posts()] or [group.losses.at]
        group.first, group.last = min(times), max(times)
        group.coarse, group.total, group.middle, group.reach_km, group.country = True, (0.0, 0.0, 0.0), None, 0.0, None
        self._located.discard(group.id)
        for root in group.roots.values():
            self._locate(group, root.sightings[0])
            if not stale.isdisjoint(root.kin):
                root.kin = self._kin(group, root.sightings[0])

    def _best(self, sighting: Sighting) -> str | None:
        alike = self._alike(sighting)
        window = timedelta(hours=self._rules.window_h)
        spot = _spot(sighting)
        options: list[_Option] = []
        for name in sorted(alike.keys() | (self._located if spot is not None else set())):
            group = self._groups[name]
            if not (group.first - sighting.written_at <= window and sighting.written_at - group.last <= window):
                continue
            if spot is not None and group.middle is not None and sighting.place is not None:
                away = self._apart(sighting.place, spot, group, alike=name in alike)
                if away is not None:
                    # Who names a country only speaks of what most speak of there, not of what is nearest its middle.
                    size = -len(group.roots) if sighting.place.reach_km else 0
                    options.append((-alike.get(name, 0.0), size, away, name))
            elif name in alike:
                options.append((-alike[name], 0, 0.0, name))
        if sighting.place is not None and (sighting.place.reach_km or 0.0) > _VAST_KM:
            options = _unmistakable(options)
        return min(options)[-1] if options else None

    def _apart(self, place: Place, spot: Position, group: _Group, *, alike: bool) -> float | None:
        """Kilometres between a post and a group, where they may be one; None where they may not.

        Coarse places, countries and states, go together within one country; a group that is known by one of the
        largest only takes what is alike.
        """
        assert group.middle is not None
        own = self._reach(place)
        if (place.reach_km or group.coarse) and place.country_code != group.country:
            return None
        if group.coarse and group.reach_km > _VAST_KM and not alike:
            return None
        reach = own + group.reach_km
        if abs(spot[0] - group.middle[0]) * KM_PER_DEGREE > reach:
            return None  # most are this far apart, and this is quicker than their distance
        away = distance_km(spot, group.middle)
        return away if away <= reach else None

    def _reach(self, place: Place) -> float:
        return place.reach_km or self._rules.reach_of(place.source)

    def _alike(self, sighting: Sighting) -> dict[str, float]:
        """Incidents with a similar text, by similarity, or with the same photo, which counts as 1."""
        found: dict[str, float] = {}
        for key, score in self._texts.similar(sighting.text).items():
            for name in self._of_mark.get(f"text:{key}", ()):
                found[name] = max(found.get(name, 0.0), score)
        for photo in _hashes(sighting):
            for other in self._photos.similar(photo):
                found |= dict.fromkeys(self._of_mark.get(f"photo:{other}", ()), 1.0)
        return found

    def _kin(self, group: _Group, sighting: Sighting) -> frozenset[str]:
        """A post's marks and those of the group that are nearly the same."""
        same = {f"text:{k}" for k, s in self._texts.similar(sighting.text).items() if s >= self._rules.same_text}
        same |= {f"photo:{other}" for photo in _hashes(sighting) for other in self._photos.similar(photo)}
        # Only likeness within the incident counts: a text elsewhere must not tie two of these together.
        return _marks(sighting) | {mark for mark in same if group.id in self._of_mark.get(mark, ())}

    def _add_root(self, group: _Group, sighting: Sighting) -> None:
        group.roots[sighting.root] = Root(kin=self._kin(group, sighting))
        self._of_root[sighting.root] = group.id
        for mark in _marks(sighting):
            self._of_mark[mark][group.id] += 1
        key = text_key(sighting.text)
        if key:
            self._texts.add(key, sighting.text)
        for photo in _hashes(sighting):
            self._photos.add(photo)
        self._locate(group, sighting)

    def _unroot(self, group: _Group, name: str) -> frozenset[str]:
        """Undo :meth:`_add_root`; the marks that the root had."""
        first = group.roots.pop(name).sightings[0]  # the one that was indexed
        del self._of_root[name]
        key = text_key(first.text)
        if key:
            self._texts.discard(key)
        for photo in _hashes(first):
            self._photos.discard(photo)
        marks = _marks(first)
        for mark in marks:
            self._of_mark[mark][group.id] -= 1
            self._of_mark[mark] += Counter()  # drops what is down to nothing
            if not self._of_mark[mark]:
                del self._of_mark[mark]
        return marks

    def _locate(self, group: _Group, sighting: Sighting) -> None:
        """Move the group's middle; the first place that is not coarse takes it over from those that are."""
        place, spot = sighting.place, _spot(sighting)
        if place is None or spot is None:
            return
        coarse = place.reach_km is not None
        if coarse and not group.coarse:
            return
        if group.coarse and not coarse:
            group.coarse, group.total, group.reach_km = False, (0.0, 0.0, 0.0), 0.0
        x, y, z = vector(spot)
        group.total = (group.total[0] + x, group.total[1] + y, group.total[2] + z)
        group.middle = position(group.total)
        group.reach_km = max(group.reach_km, self._reach(place))
        group.country = group.country or place.country_code
        self._located.add(group.id)

    def _summary(self, group: _Group) -> Incident:
        return summarise(group.id, group.roots, self._rules, closed=group.closed, losses=group.losses)

    def _remove(self, group: _Group, forgotten: Forgotten) -> None:
        posts = group.posts()
        if group.roots and group.losses.shown:
            forgotten.last.append(self._summary(group).without_texts())
        for name in list(group.roots):
            self._unroot(group, name)
        for each in posts:
            del self._of_post[each.post], self._of_event[each.event_id]
        self._located.discard(group.id)
        del self._groups[group.id]
        forgotten.incidents.append(group.id)
        forgotten.posts.extend(sorted(each.post for each in posts))


def _as_of(repost: Sighting, root: Sighting) -> Sighting:
    """A repost of what was edited since: it says what its root says now."""
    kept = {"post", "event_id", "is_repost", "written_at", "arrived_at"}
    return repost.model_copy(update={name: value for name, value in root if name not in kept})


_Option = tuple[float, int, float, str]
"""How unlike the texts are, minus the roots of the group for a post with a coarse place, kilometres, the group."""


def _unmistakable(options: list[_Option]) -> list[_Option]:
    """What a post may join that names a vast country only: what is alike, or the only thing there of several roots."""
    alike = [option for option in options if option[0] < 0]
    several = [option for option in options if option[1] <= -_SEVERAL]
    return alike or (several if len(several) == 1 else [])


def _found_id(sighting: Sighting) -> str:
    """16 hex digits from the founding post and its arrival: handled again after a crash, it founds the same."""
    name = f"{sighting.root}\0{sighting.category}\0{sighting.arrived_at.isoformat()}"
    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _spot(sighting: Sighting) -> Position | None:
    place = sighting.place
    if place is None or place.latitude is None or place.longitude is None:
        return None
    return place.latitude, place.longitude


def _hashes(sighting: Sighting) -> frozenset[str]:
    return frozenset(photo.hash for photo in sighting.photos if photo.hash)


def _marks(sighting: Sighting) -> frozenset[str]:
    key = text_key(sighting.text)
    return frozenset(f"photo:{photo}" for photo in _hashes(sighting)) | ({f"text:{key}"} if key else frozenset())
