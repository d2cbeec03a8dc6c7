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


def collection(features: list[dict[str, Any]]) -> dict[str, Any]:
    """A FeatureCollection."""
    return {"type": "FeatureCollection", "features": features}


def _point(place: Place | IncidentPlace | None) -> dict[str, Any] | None:
    if place is None or place.latitude is None or place.longitude is None:
        return None
    return {"type": "Point", "coordinates": [place.longitude, place.latitude]}
