"""What the posts of one incident add up to. Pure: the same posts give the same incident in whatever order they came."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from stream_app.incidents.geometry import centre, reach_km
from stream_app.incidents.incident import Incident, IncidentPlace, Severity, SupportingPost, Trend, Window
from stream_app.incidents.sighting import GRAVEST_FIRST, Sighting
from stream_app.incidents.taken import Losses
from stream_app.pipeline.posts.moment import moved
from stream_app.pipeline.posts.post import AuthorKind, PlaceSource
from stream_app.settings import IncidentSettings

_EXCERPT = 200
_MEMBERS = 1_000
"""Root posts an incident names: some 30 kB of a record that is written anew at every change."""
_WINDOWS = 6
_GRAVEST = 3
_SEVERE, _MODERATE = 0.5, 0.25
_SIGNIFICANT = 1.64
"""Standard deviations: two windows as different as this or more differ by chance one time in twenty each way."""
_SOURCES: tuple[PlaceSource, ...] = ("point", "coordinates", "place", "gazetteer")
TITLES = {
    "affected_individuals": "People affected",
    "infrastructure_and_utility_damage": "Infrastructure damage",
    "rescue_volunteering_or_donation_effort": "Rescue, volunteers, donations",
    "other_relevant_information": "Other relevant information",
}


@dataclass(slots=True)
class Root:
    """A root post and its reposts. ``kin`` names the texts and photos it shares with other roots or nearly so."""

    sightings: list[Sighting] = field(default_factory=list)
    kin: frozenset[str] = frozenset()

    @property
    def best(self) -> Sighting:
        """The root itself where it was seen, else its earliest repost."""
        return min(self.sightings, key=lambda s: (s.is_repost, s.written_at, s.post))

    @property
    def reposts(self) -> int:
        """Reposts seen, exactly."""
        return sum(sighting.is_repost for sighting in self.sightings)


def summarise(
    incident_id: str, roots: Mapping[str, Root], rules: IncidentSettings, *, closed: bool, losses: Losses
) -> Incident:
    """Fold the root posts of one incident into what is published; ``roots`` must not be empty."""
    sightings = [sighting for root in roots.values() for sighting in root.sightings]
    best = {name: root.best for name, root in roots.items()}
    place = _place([sighting for sighting in best.values() if sighting.place], rules)
    copies = _components({name: root.kin for name, root in roots.items()})
    witnesses = _components({name: root.kin | _author(best[name]) for name, root in roots.items()})
    category = _category([best[name].category for name in best])
    score = _severity_score([[best[name].severity for name in group] for group in witnesses])
    judged = any(sighting.damage is not None for sighting in best.values())
    times = [sighting.written_at for sighting in sightings]
    windows = _windows(times, timedelta(minutes=rules.trend_minutes), max(times))
    return Incident(
        id=incident_id,
        version=_version(len(sightings), losses, closed=closed),
        status="closed" if closed else "open",
        title=_title(category, place),
        category=category,
        severity=severity_label(score) if judged or category != "other_relevant_information" else "unknown",
        severity_score=round(score, 3),
        trend=trend(windows[-2].posts, windows[-1].posts),
        windows=windows,
        first_seen=min(sighting.written_at for sighting in sightings),
        last_seen=max(sighting.written_at for sighting in sightings),
        updated_at=max(losses.at, *(sighting.arrived_at for sighting in sightings)),
        place=place,
        posts=_supporting(copies, roots, best)[: rules.supporting_posts],
        members=tuple(sorted(best, key=lambda name: (best[name].written_at, name))[-_MEMBERS:]),
        post_count=len(sightings),
        root_count=len(roots),
        repost_count=sum(root.reposts for root in roots.values()),
        near_duplicate_count=len(roots) - len(copies),
        author_count=len(witnesses),
        author_kinds=_kinds(best.values()),
    )


def ended(losses: Losses) -> Incident:
    """The last version of an incident that has lost all its posts."""
    at = losses.at
    return Incident(
        id=losses.incident,
        version=_version(0, losses, closed=True),
        status="closed",
        title="Withdrawn: every post of this incident was taken back",
        category="not_humanitarian",
        severity="unknown",
        severity_score=0.0,
        trend="steady",
        windows=_windows([], timedelta(), at),
        first_seen=at,
        last_seen=at,
        updated_at=at,
        posts=(),
        post_count=0,
        root_count=0,
        repost_count=0,
        near_duplicate_count=0,
        author_count=0,
    )


def _version(posts: int, losses: Losses, *, closed: bool) -> int:
    """Rises with every post that comes and with every one that goes."""
    return 2 * (posts + 2 * losses.gone) + closed


def severity_label(score: float) -> Severity:
    """Severe from 0.5, moderate from 0.25, minor below."""
    return "severe" if score >= _SEVERE else "moderate" if score >= _MODERATE else "minor"


def trend(before: int, now: int) -> Trend:
    """Whether ``now`` differs from ``before`` by more than chance; few posts are always steady.

    For Poisson counts of one rate, their difference over the root of their sum is about standard normal.
    """
    z = (now - before) / math.sqrt(now + before) if now + before else 0.0
    return "rising" if z >= _SIGNIFICANT else "falling" if z <= -_SIGNIFICANT else "steady"


def _severity_score(witnesses: Iterable[Sequence[float]]) -> float:
    """The greatest mean over the one, two or three gravest witnesses and one more who saw nothing.

    So a single witness counts half, and those who speak of lesser things take nothing off what the gravest said.
    """
    gravest = sorted((max(posts) for posts in witnesses), reverse=True)[:_GRAVEST]
    return max(math.fsum(gravest[:count]) / (count + 1) for count in range(1, len(gravest) + 1))


def _category(said: Sequence[str]) -> str:
    """The gravest category that at least a tenth of the roots speak of."""
    counts = Counter(said)
    return next((each for each in GRAVEST_FIRST if 10 * counts[each] >= len(said) and counts[each]), said[0])


def _author(sighting: Sighting) -> frozenset[str]:
    return frozenset() if sighting.author is None else frozenset({f"author:{sighting.author}"})


def _kinds(roots: Iterable[Sighting]) -> dict[AuthorKind, int]:
    """Authors of each kind, each once; those without a key count once a post."""
    kinds = {
        each.author or each.root: each.author_kind for each in sorted(roots, key=lambda s: s.root) if each.author_kind
    }
    return dict(sorted(Counter(kinds.values()).items()))


def _components(marks: Mapping[str, frozenset[str]]) -> list[list[str]]:
    """Groups of names connected by shared marks; a name without marks stands alone. Sorted, names within sorted."""
    owner: dict[str, str] = {}
    parent = {name: name for name in marks}

    def find(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for name in sorted(marks):
        for mark in marks[name]:
            parent[find(name)] = find(owner.setdefault(mark, name))
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for name in sorted(marks):
        groups[find(name)].append(name)
    return sorted(groups.values())


def _place(located: Sequence[Sighting], rules: IncidentSettings) -> IncidentPlace | None:
    places = [sighting.place for sighting in located if sighting.place]
    if not places:
        return None
    coarse = max((place.reach_km or 0.0) for place in places)
    fine = [place for place in places if place.reach_km is None]
    if fine:  # a country that some name says less than the town that others name
        places, coarse = fine, 0.0
    positions = [(place.latitude or 0.0, place.longitude or 0.0) for place in places]
    middle = centre(positions)
    sources = Counter(place.source for place in places)
    source = max(_SOURCES, key=lambda name: (sources[name], -_SOURCES.index(name)))
    return IncidentPlace(
        name=_commonest(place.name for place in places),
        country_code=_commonest(place.country_code for place in places),
        latitude=round(middle[0], 5),
        longitude=round(middle[1], 5),
        radius_km=round(max(coarse or rules.reach_of(source), reach_km(middle, positions)), 1),
        source=source,
    )


def _commonest(names: Iterable[str | None]) -> str | None:
    counts = Counter(name for name in names if name)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else None


def _title(category: str, place: IncidentPlace | None) -> str:
    where = ", ".join(part for part in (place.name, place.country_code) if part) if place else ""
    return f"{TITLES.get(category, category)}{' near ' + where if where else ', place unknown' if not place else ''}"


def _windows(times: Sequence[datetime], length: timedelta, last: datetime) -> tuple[Window, ...]:
    counts = Counter((last - time) // length for time in times)
    return tuple(Window(end=moved(last, -i * length), posts=counts[i]) for i in reversed(range(_WINDOWS)))


def _supporting(
    copies: Sequence[Sequence[str]], roots: Mapping[str, Root], best: Mapping[str, Sighting]
) -> tuple[SupportingPost, ...]:
    """One root of each set of near-duplicates, its earliest; the surest first, then the most repeated."""

    def first(group: Sequence[str]) -> str:
        return min(group, key=lambda name: (best[name].written_at, name))

    def rank(group: Sequence[str]) -> tuple[float, int, object]:
        repeats = sum(len(roots[name].sightings) for name in group)
        return -round(best[first(group)].probability, 2), -repeats, (best[first(group)].written_at, first(group))

    return tuple(_support(best[first(group)], roots[first(group)], group) for group in sorted(copies, key=rank))


def _support(sighting: Sighting, root: Root, group: Sequence[str]) -> SupportingPost:
    return SupportingPost(
        id=sighting.root.partition(":")[2],
        network=sighting.network,
        event_id=sighting.event_id,
        url=sighting.url,
        excerpt=sighting.text if len(sighting.text) <= _EXCERPT else sighting.text[: _EXCERPT - 1] + "…",
        created_at=sighting.written_at,
        humanitarian=round(sighting.probability, 4),
        damage=sighting.damage,
        images=tuple(photo.url for photo in sighting.photos),
        reposts=root.reposts,
        near_duplicates=len(group) - 1,
    )
