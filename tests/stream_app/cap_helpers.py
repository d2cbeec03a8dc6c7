"""CAP's own schema (Copyright OASIS Open 2010), and incidents on show; ``from cap_helpers import SCHEMA``."""

from __future__ import annotations

from pathlib import Path

from acts import dated
from factories import make_event, make_place
from lxml import etree

from stream_app.decisions.board import fold
from stream_app.decisions.shown import Shown, shown
from stream_app.incidents.grouping import Grouping
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.settings import IncidentSettings

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).parent / "render" / "schemas" / "CAP-v1.2-schema.xsd"))


def incident_of(authors: int = 2, **changes: object) -> Shown:
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    for i in range(authors):
        event = make_event(f"p{i}", f"number{i} word{i} thing{i}", author=f"a{i}", place=make_place())
        grouping.add(sighting_of(event, rules))
    (incident,) = grouping.changed(event.timings.produced_at)
    return as_shown(incident.model_copy(update=changes))


def as_shown(incident: Incident, *acts: object) -> Shown:
    (item,) = shown({incident.id: incident}, fold(dated([(incident.id, act, "ada") for act in acts]))).values()
    return item
