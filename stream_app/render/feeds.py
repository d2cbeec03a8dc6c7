"""Incidents for programs that poll: Atom (RFC 4287), with CAP inside or beside it, RSS 2.0, KML 2.2, GeoJSON, CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import partial
from typing import get_args
from xml.etree import ElementTree as ET

from stream_app.decisions.shown import Shown
from stream_app.pipeline.posts.post import AuthorKind
from stream_app.render.cap import cap_element
from stream_app.render.geojson import collection, feature
from stream_app.render.page import SUBTITLE, TITLE, Page, summary
from stream_app.render.printable import xml_text

_ATOM, _GEORSS = "http://www.w3.org/2005/Atom", "http://www.georss.org/georss"
_KML = "http://www.opengis.net/kml/2.2"
_COLOURS = {"severe": "ff0032a8", "moderate": "ff0081c9", "minor": "ff5a7a00", "unknown": "ff7e7266"}
"""As KML writes them: alpha, blue, green, red."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def atom(page: Page) -> str:
    """An index: each entry has a link to its CAP message."""
    return _atom(page, inline=False)


def cap(page: Page) -> str:
    """Atom with the whole CAP message in each entry: all alerts in one call."""
    return _atom(page, inline=True)


def _atom(page: Page, *, inline: bool) -> str:
    feed = ET.Element("feed", {"xmlns": _ATOM, "xmlns:georss": _GEORSS})
    _put(feed, "id", "urn:crisis-stream:incidents")
    _put(feed, "title", TITLE)
    _put(feed, "subtitle", SUBTITLE)
    _put(feed, "updated", _iso(page.updated))
    _put(ET.SubElement(feed, "author"), "name", "crisis-stream")
    for relation, address in page.links().items():
        ET.SubElement(feed, "link", rel=relation, href=address, type="application/atom+xml")
    for item in page.items:
        entry = ET.SubElement(feed, "entry")
        _put(entry, "id", f"urn:crisis-stream:incident:{item.incident.id}")
        _put(entry, "title", _title(item))
        _put(entry, "published", _iso(item.incident.first_seen))
        _put(entry, "updated", _iso(item.at))
        ET.SubElement(entry, "link", rel="alternate", href=page.shown_at(item), type="text/html")
        ET.SubElement(entry, "link", rel="related", href=page.cap_at(item), type="application/cap+xml")
        ET.SubElement(entry, "category", term=xml_text(item.incident.category))
        ET.SubElement(entry, "category", term=item.incident.severity)
        _put(entry, "summary", summary(item))
        _where(entry, item)
        if inline:
            content = ET.SubElement(entry, "content", type="application/cap+xml")
            content.append(cap_element(item, page.cap, page.earlier(item)))
    return _written(feed)


def rss(page: Page) -> str:
    """RSS 2.0 with GeoRSS."""
    root = ET.Element("rss", {"version": "2.0", "xmlns:atom": _ATOM, "xmlns:georss": _GEORSS})
    channel = ET.SubElement(root, "channel")
    _put(channel, "title", TITLE)
    _put(channel, "link", page.home)
    _put(channel, "description", SUBTITLE)
    _put(channel, "lastBuildDate", format_datetime(page.updated.astimezone(UTC), usegmt=True))
    for relation, address in page.links().items():
        ET.SubElement(channel, "atom:link", rel=relation, href=address, type="application/rss+xml")
    for item in page.items:
        entry = ET.SubElement(channel, "item")
        _put(entry, "title", _title(item))
        _put(entry, "link", page.shown_at(item))
        _put(entry, "description", summary(item))
        _put(entry, "category", item.incident.category)
        guid = ET.SubElement(entry, "guid", isPermaLink="false")
        guid.text = xml_text(f"urn:crisis-stream:incident:{item.incident.id}:{item.revision}")
        _put(entry, "pubDate", format_datetime(item.at.astimezone(UTC), usegmt=True))
        _where(entry, item)
    return _written(root)


def kml(page: Page) -> str:
    """Placemarks for globes and maps, coloured by severity; an incident without a place has none."""
    root = ET.Element("kml", xmlns=_KML)
    document = ET.SubElement(root, "Document")
    _put(document, "name", TITLE)
    _put(document, "description", SUBTITLE)
    for severity, colour in _COLOURS.items():
        icon = ET.SubElement(ET.SubElement(document, "Style", id=severity), "IconStyle")
        _put(icon, "color", colour)
    for item in page.items:
        incident, place = item.incident, item.incident.place
        if place is None:
            continue
        mark = ET.SubElement(document, "Placemark")
        _put(mark, "name", _title(item))
        _put(mark, "description", summary(item))
        _put(ET.SubElement(mark, "TimeSpan"), "begin", _iso(incident.first_seen))
        _put(mark, "styleUrl", f"#{incident.severity}")
        extended = ET.SubElement(mark, "ExtendedData")
        for name, value in (("id", incident.id), ("severity", incident.severity), ("status", item.work.status)):
            _put(ET.SubElement(extended, "Data", name=name), "value", value)
        _put(ET.SubElement(mark, "Point"), "coordinates", f"{place.longitude:.6f},{place.latitude:.6f}")
    return _written(root)


def geojson(page: Page) -> str:
    """A FeatureCollection (RFC 7946); ``work`` in the properties is what people made of it."""
    features = []
    for item in page.items:
        made = feature(item.incident)
        made["properties"] |= {"revision": item.revision, "work": item.work.model_dump(mode="json")}
        features.append(made)
    links = [{"rel": relation, "href": address} for relation, address in page.links().items()]
    return json.dumps({**collection(features), "links": links}, ensure_ascii=False)


def table(page: Page) -> str:
    """CSV (RFC 4180). A cell that a spreadsheet would calculate gets an apostrophe before it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for item in page.items:
        writer.writerow([_cell(value(item)) for value in _COLUMNS.values()])
    return out.getvalue()


def _of_kind(item: Shown, kind: AuthorKind) -> int:
    return item.incident.author_kinds.get(kind, 0)


_COLUMNS: dict[str, Callable[[Shown], object]] = {
    "id": lambda item: item.incident.id,
    "revision": lambda item: item.revision,
    "updated_at": lambda item: _iso(item.at),
    "title": lambda item: item.incident.title,
    "category": lambda item: item.incident.category,
    "severity": lambda item: item.incident.severity,
    "severity_score": lambda item: item.incident.severity_score,
    "trend": lambda item: item.incident.trend,
    "open": lambda item: item.incident.status,
    "status": lambda item: item.work.status,
    "owner": lambda item: item.work.owner,
    "first_seen": lambda item: _iso(item.incident.first_seen),
    "last_seen": lambda item: _iso(item.incident.last_seen),
    "posts": lambda item: item.incident.post_count,
    "authors": lambda item: item.incident.author_count,
    **{kind: partial(_of_kind, kind=kind) for kind in get_args(AuthorKind)},
    "place": lambda item: item.incident.place and item.incident.place.name,
    "country_code": lambda item: item.incident.place and item.incident.place.country_code,
    "latitude": lambda item: item.incident.place and item.incident.place.latitude,
    "longitude": lambda item: item.incident.place and item.incident.place.longitude,
    "radius_km": lambda item: item.incident.place and item.incident.place.radius_km,
}


def _cell(value: object) -> object:
    if isinstance(value, str):
        text = xml_text(value)
        return f"'{text}" if text.startswith(_FORMULA) else text
    return value


def _title(item: Shown) -> str:
    return f"{item.incident.severity.capitalize()}: {item.incident.title}"


def _where(entry: ET.Element, item: Shown) -> None:
    place = item.incident.place
    if place is not None:
        _put(entry, "georss:point", f"{place.latitude:.5f} {place.longitude:.5f}")
        _put(entry, "georss:radius", f"{place.radius_km * 1000:.0f}")


def _put(parent: ET.Element, name: str, text: str) -> None:
    ET.SubElement(parent, name).text = xml_text(text)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _written(root: ET.Element) -> str:
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode")


FORMS: dict[str, tuple[str, Callable[[Page], str]]] = {
    "atom": ("application/atom+xml", atom),
    "cap": ("application/atom+xml", cap),
    "rss": ("application/rss+xml", rss),
    "kml": ("application/vnd.google-earth.kml+xml", kml),
    "geojson": ("application/geo+json", geojson),
    "csv": ("text/csv", table),
}
"""The formats by the ending of their address: media type, and what makes one."""
