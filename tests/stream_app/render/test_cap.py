"""CAP messages against OASIS's own schema (schemas/CAP-v1.2-schema.xsd, Copyright OASIS Open 2010)."""

from __future__ import annotations

from pathlib import Path

import pytest
from factories import make_event, make_place
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from stream_app.incidents.grouping import Grouping
from stream_app.incidents.incident import Incident
from stream_app.incidents.sighting import sighting_of
from stream_app.render.cap import CapOptions, cap_of_event, cap_of_incident
from stream_app.settings import IncidentSettings

SCHEMA = etree.XMLSchema(etree.parse(Path(__file__).with_name("schemas") / "CAP-v1.2-schema.xsd"))
OPTIONS = CapOptions()


def parsed(message: str) -> etree._Element:
    root = etree.fromstring(message)
    SCHEMA.assertValid(root)
    return root


def incident_of(authors: int = 2, **changes: object) -> Incident:
    rules = IncidentSettings(min_authors=1)
    grouping = Grouping(rules)
    for i in range(authors):
        event = make_event(f"p{i}", f"number{i} word{i} thing{i}", author=f"a{i}", place=make_place())
        grouping.add(sighting_of(event, rules))
    (incident,) = grouping.changed(event.timings.produced_at)
    return incident.model_copy(update=changes)


@given(st.text(), st.none() | st.text(min_size=1), st.sampled_from([None, "severe_damage", "little_or_no_damage"]))
def test_any_text_makes_a_valid_message(text, name, damage):
    event = make_event(text=text, place=make_place(name=name), damage=damage)
    root = parsed(cap_of_event(event, OPTIONS))
    assert root.findtext("{*}info/{*}certainty") == "Possible"


@given(st.text(min_size=1))
def test_any_sender_makes_a_valid_message_and_a_reference_of_three_parts(sender):
    options = CapOptions(sender=sender)
    incident = incident_of()
    root = parsed(cap_of_incident(incident, options, incident))
    assert len(root.findtext("{*}references").split(",")) == 3


def test_nothing_is_actual_or_public_by_itself():
    for message in (cap_of_event(make_event(), OPTIONS), cap_of_incident(incident_of(), OPTIONS)):
        root = parsed(message)
        assert (root.findtext("{*}status"), root.findtext("{*}scope")) == ("Exercise", "Restricted")
        assert root.findtext("{*}restriction")


def test_actual_and_public_on_request():
    root = parsed(cap_of_event(make_event(), CapOptions("eoc@example.org", "Actual", "Public")))
    assert (root.findtext("{*}sender"), root.findtext("{*}status")) == ("eoc@example.org", "Actual")
    assert root.find("{*}restriction") is None


def test_updates_refer_to_what_was_sent_and_a_closed_incident_is_cancelled():
    first = incident_of()
    later = first.model_copy(update={"version": first.version + 2})
    closed = later.model_copy(update={"version": later.version + 1, "status": "closed"})
    kinds = []
    for incident, previous in ((first, None), (later, first), (closed, later), (closed, None)):
        root = parsed(cap_of_incident(incident, OPTIONS, previous))
        kinds.append(root.findtext("{*}msgType"))
        if previous:
            sender, identifier, sent = root.findtext("{*}references").split(",")
            before = parsed(cap_of_incident(previous, OPTIONS))
            assert (sender, identifier, sent) == tuple(
                before.findtext(f"{{*}}{name}") for name in ("sender", "identifier", "sent")
            )
    assert kinds == ["Alert", "Update", "Cancel", "Alert"]


@pytest.mark.parametrize(("authors", "certainty"), [(2, "Possible"), (5, "Likely")])
def test_certainty_grows_with_independent_authors(authors, certainty):
    assert parsed(cap_of_incident(incident_of(authors), OPTIONS)).findtext("{*}info/{*}certainty") == certainty


def test_the_area_is_the_incidents_circle():
    incident = incident_of()
    circle = parsed(cap_of_incident(incident, OPTIONS)).findtext("{*}info/{*}area/{*}circle")
    assert circle == "6.93000,79.85000 25.0"
    assert parsed(cap_of_incident(incident.model_copy(update={"place": None}), OPTIONS)).find("{*}info/{*}area") is None
