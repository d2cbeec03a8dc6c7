"""Feeds are what their standards ask, whatever strangers wrote."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime

import feedparser
import pytest
from acts import dated
from cap_helpers import SCHEMA, incident_of
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from stream_app.decisions.act import Merge, SetStatus
from stream_app.decisions.board import fold
from stream_app.decisions.shown import shown
from stream_app.render.cap import CapOptions
from stream_app.render.feeds import FORMS
from stream_app.render.page import Page

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)
XML = [form for form in FORMS if form not in ("geojson", "csv")]


def page(*items, form="atom", number=1, pages=1):
    return Page(items, "http://desk.example/", form, number, pages, {}, NOW, CapOptions(), lambda item: [item.said])


def made(form, *items, **where):
    return FORMS[form][1](page(*items, form=form, **where))


def hostile(text):
    item = incident_of()
    changed = item.incident.model_copy(
        update={
            "title": text,
            "category": text or "x",
            "place": item.incident.place.model_copy(update={"name": text}),
            "posts": tuple(post.model_copy(update={"excerpt": text}) for post in item.incident.posts),
        }
    )
    return item.model_copy(update={"incident": changed})


@settings(max_examples=40)
@given(st.text() | st.sampled_from(["</title><script>", "]]>", "&amp;", "\ud800", "\x00\x1b[2J", "=cmd|' /C calc'!A0"]))
def test_any_text_makes_every_feed_readable_and_stays_text(text):
    item = hostile(text)
    for form in XML:
        root = etree.fromstring(made(form, item).encode())
        assert not root.xpath("//*[local-name()='script']")
    (found,) = json.loads(made("geojson", item))["features"]
    assert found["properties"]["title"] == item.incident.title
    _, row = csv.reader(io.StringIO(made("csv", item)))
    assert not any(cell.startswith(("=", "+", "@")) for cell in row)


@pytest.mark.parametrize("form", ["atom", "cap", "rss"])
def test_a_feed_reader_finds_titles_times_places_and_pages(form):
    read = feedparser.parse(made(form, incident_of(), number=2, pages=3))
    assert not read.bozo, read.get("bozo_exception")
    (entry,) = read.entries
    assert entry.title == "Moderate: People affected near Colombo, LK"
    assert entry.link == f"http://desk.example/?incident={incident_of().incident.id}"
    assert (entry.updated_parsed or entry.published_parsed)[:3] == (2026, 3, 14)
    assert entry.where["coordinates"] == (79.85, 6.93)
    links = {link["rel"]: link["href"] for link in read.feed.links if link["rel"] != "alternate"}
    base = f"http://desk.example/feeds/incidents.{form}"
    assert links == {
        "self": f"{base}?page=2",
        "first": base,
        "last": f"{base}?page=3",
        "previous": base,
        "next": f"{base}?page=3",
    }


def test_each_alert_in_the_cap_feed_is_valid_cap():
    two = {"a": incident_of().incident, "b": incident_of(3).incident}
    two = {name: each.model_copy(update={"id": name}) for name, each in two.items()}
    items = shown(two, fold(dated([("a", SetStatus(status="false"), "ada")])))
    root = etree.fromstring(made("cap", *items.values()).encode())
    alerts = root.findall("{*}entry/{*}content/{*}alert")
    for alert in alerts:
        SCHEMA.assertValid(etree.fromstring(etree.tostring(alert)))
    assert [alert.findtext("{*}msgType") for alert in alerts] == ["Cancel", "Update"]
    merged = shown(two, fold(dated([("b", Merge(into="a"), "ada")])))
    assert len(etree.fromstring(made("cap", *merged.values()).encode()).findall("{*}entry")) == 1


def test_kml_has_marks_where_there_is_a_place_and_styles_for_all():
    root = etree.fromstring(made("kml", incident_of(), incident_of(place=None)).encode())
    (mark,) = root.iter("{*}Placemark")
    assert mark.findtext("{*}Point/{*}coordinates") == "79.850000,6.930000"
    styles = {f"#{style.get('id')}" for style in root.iter("{*}Style")}
    assert mark.findtext("{*}styleUrl") in styles


def test_an_empty_feed_is_a_feed():
    for form in XML:
        etree.fromstring(made(form).encode())
    assert json.loads(made("geojson"))["features"] == []
    assert len(made("csv").splitlines()) == 1
