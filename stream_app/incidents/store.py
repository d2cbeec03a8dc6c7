"""Reads the incidents that Kafka has, each as last published."""

from __future__ import annotations

from stream_app.incidents.incident import Incident
from stream_app.kafka.subscribe import EPOCH, read_as, subscribe
from stream_app.settings import Settings


async def read_incidents(settings: Settings) -> dict[str, Incident]:
    """The last version of every incident by id, the latest published last; what cannot be read is logged."""
    found: dict[str, Incident] = {}
    async for received in subscribe(settings, [settings.topics.incidents], since=EPOCH, until_end=True):
        if not received.value:
            found.pop(received.key or "", None)
            continue
        incident = read_as(received, Incident, "incident")
        if incident is not None:
            found.pop(incident.id, None)
            found[incident.id] = incident
    return found
