"""Decides which incident a post belongs to. No Kafka, no clock of its own: posts and the time in, incidents out.

A post joins the incident of its root. A new root joins an incident in memory, open or closed, whose
posts were written within ``window_h`` of it, when both have a place and lie within reach, or when either has none and
they share a similar text or photo. Among several the one with the most similar text wins, then the nearest. Else it
founds its own.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stream_app.incidents.geometry import KM_PER_DEGREE, Position, Vector, distance_km, position, vector
from stream_app.incidents.incident import Incident
from stream_app.incidents.moments import moved
from stream_app.incidents.sighting import Sighting
from stream_app.incidents.similar import PhotoIndex, TextIndex, text_key
from stream_app.incidents.summary import Root, summarise
from stream_app.pipeline.posts.post import Place
from stream_app.settings import IncidentSettings

_VAST_KM = 400.0
"""Reach of a coarse place from which the place alone joins nothing."""


@dataclass(slots=True)
class _Group:
    id: str
    category: str
    first: datetime
    last: datetime
    arrived: datetime
    roots: dict[str, Root] = field(default_factory=dict)
    total: Vector = (0.0, 0.0, 0.0)
    middle: Position | None = None
    reach_km: float = 0.0
    coarse: bool = True
    country: str | None = None
    closed: bool = False


class Grouping:
    """The incidents in memory. Every post is counted once, however often it is added."""

    def __init__(self, rules: IncidentSettings) -> None:
        self._rules = rules
        self._groups: dict[str, _Group] = {}
        self._of_post: dict[str, str] = {}
        self._of_root: dict[str, str] = {}
        self._of_mark: defaultdict[str, set[str]] = defaultdict(set)
        self._located: set[str] = set()
        self._texts = TextIndex(rules.similar_text)
        self._photos = PhotoIndex(rules.same_photo_bits)
        self._changed: dict[str, None] = {}

    def add(self, sighting: Sighting) -> str | None:
        """Put a post where it belongs and return the incident's id; None when the post is already in one."""
        if sighting.post in self._of_post:
            return None
        incident_id = self._of_root.get(sighting.root)
        if incident_id is None:
            incident_id = self._best(sighting) or _found_id(sighting)
        self.restore(incident_id, sighting)
        return incident_id

    def restore(self, incident_id: str, sighting: Sighting) -> None:
        """Put a post into the incident it was once assigned to; deciding nothing, it rebuilds what was in memory."""
        group = self._groups.get(incident_id)
        if group is None:
            moment = sighting.written_at
            group = _Group(incident_id, sighting.category, moment, moment, sighting.arrived_at)
            self._groups[incident_id] = group
        group.first = min(group.first, sighting.written_at)
        group.last = max(group.last, sighting.written_at)
        group.arrived = max(group.arrived, sighting.arrived_at)
        group.closed = False
        if sighting.root not in group.roots:
            self._add_root(group, sighting)
        group.roots[sighting.root].sightings.append(sighting)
        self._of_post[sighting.post] = incident_id
        self._changed[incident_id] = None

    def changed(self, now: datetime) -> list[Incident]:
        """The incidents that changed since the last call or close now, but those that too few authors speak of."""
        quiet = moved(now, -timedelta(hours=self._rules.close_after_h))
        for group in self._groups.values():
            if not group.closed and group.arrived < quiet:
                group.closed = True
                self._changed[group.id] = None
        names, self._changed = self._changed, {}
        groups = [self._groups[name] for name in names if name in self._groups]
        # No more authors than roots: most groups are one post, and need no summary.
        incidents = [self._summary(group) for group in groups if len(group.roots) >= self._rules.min_authors]
        return [incident for incident in incidents if incident.author_count >= self._rules.min_authors]

    def forget(self, now: datetime) -> list[str]:
        """Let go of incidents silent for ``forget_after_h``, then of the longest silent while there are too many posts.

        Returns:
            The posts (``network:id``) that are no longer recognised.
        """
        silent = moved(now, -timedelta(hours=self._rules.forget_after_h))
        forgotten: list[str] = []
        for group in sorted(self._groups.values(), key=lambda group: (group.arrived, group.id)):
            if group.arrived >= silent and len(self._of_post) <= self._rules.max_posts:
                break
            forgotten += self._remove(group)
        return forgotten

    def __len__(self) -> int:
        """Posts in memory."""
        return len(self._of_post)

    def _best(self, sighting: Sighting) -> str | None:
        alike = self._alike(sighting)
        window = timedelta(hours=self._rules.window_h)
        spot = _spot(sighting)
        options: list[tuple[float, float, str]] = []
        for name in sorted(alike.keys() | (self._located if spot is not None else set())):
            group = self._groups[name]
            if not (group.first - sighting.written_at <= window and sighting.written_at - group.last <= window):
                continue
            if spot is not None and group.middle is not None and sighting.place is not None:
                away = self._apart(sighting.place, spot, group, alike=name in alike)
                if away is not None:
                    options.append((-alike.get(name, 0.0), away, name))
            elif name in alike:
                options.append((-alike[name], 0.0, name))
        return min(options)[2] if options else None

    def _apart(self, place: Place, spot: Position, group: _Group, *, alike: bool) -> float | None:
        """Kilometres between a post and a group, where they may be one; None where they may not.

        Coarse places, countries and states, go together within one country; the largest only with a text or photo
        alike, since two things happen in them at a time.
        """
        assert group.middle is not None
        own = self._reach(place)
        if place.reach_km or group.coarse:
            if place.country_code != group.country:
                return None
            if max(own, group.reach_km) > _VAST_KM and not alike:
                return None
        reach = own + group.reach_km
        if abs(spot[0] - group.middle[0]) * KM_PER_DEGREE > reach:
            return None  # most are this far apart, and this is quicker than their distance
        away = distance_km(spot, group.middle)
        return away if away <= reach else None

    def _reach(self, place: Place) -> float:
        return place.reach_km or self._rules.reach_km[place.source]

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

    def _add_root(self, group: _Group, sighting: Sighting) -> None:
        same = {f"text:{k}" for k, s in self._texts.similar(sighting.text).items() if s >= self._rules.same_text}
        same |= {f"photo:{other}" for photo in _hashes(sighting) for other in self._photos.similar(photo)}
        own = _marks(sighting)
        # Only likeness within the incident counts: a text elsewhere must not tie two of these together.
        same = {mark for mark in same if group.id in self._of_mark.get(mark, ())}
        group.roots[sighting.root] = Root(kin=frozenset(same | own))
        self._of_root[sighting.root] = group.id
        for mark in own:
            self._of_mark[mark].add(group.id)
        key = text_key(sighting.text)
        if key:
            self._texts.add(key, sighting.text)
        for photo in _hashes(sighting):
            self._photos.add(photo)
        spot = _spot(sighting)
        if spot is not None and sighting.place is not None:
            self._locate(group, sighting.place, spot)

    def _locate(self, group: _Group, place: Place, spot: Position) -> None:
        """Move the group's middle; the first place that is not coarse takes it over from those that are."""
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
        return summarise(group.id, group.roots, self._rules, closed=group.closed)

    def _remove(self, group: _Group) -> list[str]:
        posts = sorted(sighting.post for root in group.roots.values() for sighting in root.sightings)
        for name, root in group.roots.items():
            del self._of_root[name]
            first = root.sightings[0]  # the one that was indexed
            key = text_key(first.text)
            if key:
                self._texts.discard(key)
            for photo in _hashes(first):
                self._photos.discard(photo)
            for mark in _marks(first):
                self._of_mark[mark].discard(group.id)
                if not self._of_mark[mark]:
                    del self._of_mark[mark]
        for post in posts:
            del self._of_post[post]
        self._located.discard(group.id)
        del self._groups[group.id]
        return posts


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
