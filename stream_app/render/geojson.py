"""Events and incidents as GeoJSON Features (RFC 7946). One without a place has a null geometry."""

from __future__ import annotations

from typing import Any

from stream_app.incidents.incident import Incident, IncidentPlace
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.post import Place


def feature(item: Event | Incident) -> dict[str, Any]:
    """One Feature; ``properties`` are the item itself, with ``kind`` saying which it is."""
    place = item.place if isinstance(item, Incident) else item.post.place
    return {
        "type": "Feature",
        "id": item.id,
        "geometry": _point(place),
        "properties": {
            "kind": "incident" if isinstance(item, Incident) else "event",
            **item.model_dump(mode="json", exclude={"id"}),
        },
    }


def withdrawal(event: Event) -> dict[str, Any]:
    """A Feature without geometry that says which events may not be shown any more."""
    post = event.post
    about = {"network": post.network, "post": post.id, "author_key": post.author_key}
    said = event.withdrawn.model_dump(mode="json") if event.withdrawn else None
    properties = {"kind": "withdrawal", **about, "withdrawn": said}
    return {"type": "Feature", "id": event.id, "geometry": None, "properties": properties}


def collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", "features": features}


def _point(place: Place | IncidentPlace | None) -> dict[str, Any] | None:
    if place is None or place.latitude is None or place.longitude is None:
        return None
    return {"type": "Point", "coordinates": [place.longitude, place.latitude]}
