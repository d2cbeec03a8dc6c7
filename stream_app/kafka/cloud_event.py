"""CloudEvents 1.0 in Kafka's binary binding: the attributes are headers, the record's value is the data."""

from __future__ import annotations

from datetime import datetime


def cloud_event(*, name: str, source: str, kind: str, subject: str, time: datetime) -> list[tuple[str, bytes]]:
    """The headers of one event of JSON: ``name`` is its id, ``source`` a part of this program, ``kind`` its type."""
    attributes = {
        "ce_specversion": "1.0",
        "ce_id": name,
        "ce_source": f"/crisis-stream/{source}",
        "ce_type": kind,
        "ce_subject": subject,
        "ce_time": time.isoformat(),
        "content-type": "application/json",
    }
    return [(attribute, value.encode(errors="replace")) for attribute, value in attributes.items()]
