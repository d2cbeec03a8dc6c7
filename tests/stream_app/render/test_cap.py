"""CAP messages against OASIS's own schema (schemas/CAP-v1.2-schema.xsd, Copyright OASIS Open 2010)."""

from __future__ import annotations

import pytest
from cap_helpers import SCHEMA, as_shown, incident_of
from factories import make_event, make_place
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from stream_app.decisions.act import SetStatus
from stream_app.render.cap import CapOptions, cap_of_event, cap_of_incident

OPTIONS = CapOptions()


def parsed(message: str) -> etree._Element:
    root = etree.fromstring(message)
    SCHEMA.assertValid(root)
    return root


@given(st.text(), st.none() | st.text(min_size=1), st.sampled_from([None, "severe_damage", "little_or_no_damage"]))
def test_any_text_makes_a_valid_message(text, name, damage):
    event = make_event(text=text, place=make_place(name=name), damage=damage)
    root = parsed(cap_of_event(event, OPTIONS))
    assert root.findtext("{*}info/{*}certainty") == "Possible"


@given(st.text(min_size=1))
def test_any_sender_makes_a_valid_message_and_a_reference_of_three_parts(sender):
    options = CapOptions(sender=sender)
    incident = incident_of()
    root = parsed(cap_of_incident(incident, options, [incident.said]))
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
    made = incident_of().incident
    first = as_shown(made)
    later = as_shown(made.model_copy(update={"version": made.version + 2}))
    confirmed = as_shown(later.incident, SetStatus(status="confirmed"))
    false = as_shown(later.incident, SetStatus(status="confirmed"), SetStatus(status="false"))
    closed = as_shown(made.model_copy(update={"version": made.version + 3, "status": "closed"}))
    kinds, said = [], []
    for item in (first, later, confirmed, false, closed):
        root = parsed(cap_of_incident(item, OPTIONS, [each.said for each in said]))
        kinds.append(root.findtext("{*}msgType"))
        references = (root.findtext("{*}references") or "").split()
        assert [reference.split(",") for reference in references] == [
            [
                parsed(cap_of_incident(each, OPTIONS)).findtext(f"{{*}}{name}")
                for name in ("sender", "identifier", "sent")
            ]
            for each in said
        ]
        said.append(item)
    assert kinds == ["Alert", "Update", "Update", "Cancel", "Cancel"]
    assert parsed(cap_of_incident(closed, OPTIONS)).findtext("{*}msgType") == "Alert", "nothing to cancel"
    assert "An analyst confirmed it." in cap_of_incident(confirmed, OPTIONS)
    assert len({each.said.revision for each in said}) == len(said), "no two messages have one name"


@pytest.mark.parametrize(("authors", "certainty"), [(2, "Possible"), (5, "Likely")])
def test_certainty_grows_with_independent_authors(authors, certainty):
    assert parsed(cap_of_incident(incident_of(authors), OPTIONS)).findtext("{*}info/{*}certainty") == certainty


def test_the_area_is_the_incidents_circle():
    incident = incident_of()
    circle = parsed(cap_of_incident(incident, OPTIONS)).findtext("{*}info/{*}area/{*}circle")
    assert circle == "6.93000,79.85000 25.0"
    assert parsed(cap_of_incident(incident_of(place=None), OPTIONS)).find("{*}info/{*}area") is None
