"""Reads the incidents that Kafka has, each as last published."""

from __future__ import annotations

import logging

from pydantic import ValidationError

from stream_app.incidents.incident import Incident
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.settings import Settings

logger = logging.getLogger(__name__)


async def read_incidents(settings: Settings) -> dict[str, Incident]:
    """The last version of every incident by id, the latest published last; what cannot be read is logged."""
    found: dict[str, Incident] = {}
    async for received in subscribe(settings, [settings.topics.incidents], since=EPOCH, until_end=True):
        if not received.value:
            found.pop(received.key or "", None)
            continue
        try:
            incident = Incident.model_validate_json(received.value)
        except ValidationError as error:
            where = f"{received.topic}[{received.partition}]@{received.offset}"
            logger.warning("skipped %s, which is no incident: %s", where, error.errors()[0]["msg"])
            continue
        found.pop(incident.id, None)
        found[incident.id] = incident
    return found
