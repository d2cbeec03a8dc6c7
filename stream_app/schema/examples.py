"""One example of what each topic holds, made by the program's own code so that it cannot drift; content invented."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from model.serving.fixed import FixedScorer
from stream_app.decisions.act import Decision, SetStatus
from stream_app.feedback.verdict import Verdict
from stream_app.incidents.emerging import Emerging
from stream_app.incidents.incident import Incident, IncidentPlace, SupportingPost, Window
from stream_app.pipeline.events.build import Spent, build_event
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.events.withdraw import withdrawals
from stream_app.pipeline.labelling.describe import describe
from stream_app.pipeline.labelling.inputs import model_input
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.pipeline.posts.parse import parse_post
from stream_app.pipeline.posts.post import Post, Withdrawal
from stream_app.settings import TopicSettings

_AT = datetime(2026, 3, 1, 5, 30, tzinfo=UTC)
_POST: dict[str, Any] = {
    "network": "other",
    "id": "sms-000017",
    "text": "Wall of the school collapsed, two children injured",
    "created_at": "2026-03-01T05:30:00Z",
    "language": "en",
    "place": {"name": "Gorkha", "country_code": "NP", "latitude": 28.0, "longitude": 84.63, "source": "point"},
    "author": {"key": "operator-7"},
    "media": [{"url": "https://desk.example/wall.jpg", "alt_text": "A fallen wall"}],
}
DEAD_LETTER: dict[str, str] = {
    "dl-stage": "parse",
    "dl-error": "X API v2 line: data.id is missing or is not a string.",
    "dl-attempts": "1",
    "dl-program": "0.1.0",
    "dl-model": "",
    "dl-topic": "crisis.posts",
    "dl-partition": "2",
    "dl-offset": "4711",
    "dl-first": "crisis.posts:2:4711",
    "dl-time": "2026-03-01T05:30:01+00:00",
}


def examples() -> dict[str, Any]:
    """An example value by topic; of a dead letter the headers."""
    post = parse_post(json.dumps(_POST).encode())
    event = _event(post)
    verdict = Verdict(event=event.id, labels={"damage": "mild_damage"}, analyst="desk-2", at=_AT + timedelta(hours=1))
    decision = Decision(
        id="5d0c8a1e4b7f4f0e9a3d2c6b8e1f7a90",
        incident="9c1d5f0e7a2b4c38",
        act=SetStatus(status="confirmed"),
        by="officer-3",
        at=_AT + timedelta(hours=1),
    )
    return {
        "posts": _POST,
        "events": event.model_dump(mode="json"),
        "withdrawals": _withdrawal(post).model_dump(mode="json"),
        "incidents": _incident(post, event).model_dump(mode="json"),
        "emerging": _emerging(event).model_dump(mode="json"),
        "feedback": verdict.model_dump(mode="json"),
        "decisions": decision.model_dump(mode="json"),
        "dead-letters": DEAD_LETTER,
    }


def _withdrawal(post: Post) -> Event:
    taken = Withdrawal(network=post.network, id=post.id, reason="deleted", at=_AT + timedelta(minutes=5))
    [record, *_] = withdrawals(taken, [], FixedScorer().info, TopicSettings())
    event = Event.model_validate_json(record.value or b"")
    return event.model_copy(update={"timings": event.timings.model_copy(update={"produced_at": _AT})})


def _event(post: Post) -> Event:
    scorer = FixedScorer()
    late = MediaOutcome(url=post.media[0].url, status="late", reason="the host took longer than 2 s", elapsed_ms=2000.0)
    model = scorer.info
    labelling = describe(post, [late], scorer.score([model_input(post, [late])])[0], model)
    event = build_event(post, labelling, spent=Spent(media_ms=2000.0, queue_ms=21.5, model_ms=3.1, total_ms=2024.6))
    made = event.timings.model_copy(update={"produced_at": _AT + timedelta(seconds=3)})
    return event.model_copy(update={"timings": made})


def _emerging(event: Event) -> Emerging:
    return Emerging(
        id="word:landslide",
        kind="word",
        term="landslide",
        posts=6,
        authors=5,
        expected=0.4,
        score=4.73,
        since=_AT,
        at=_AT + timedelta(minutes=12),
        examples=(event.id,),
    )


def _incident(post: Post, event: Event) -> Incident:
    assert post.place is not None
    assert post.place.latitude is not None
    assert post.place.longitude is not None
    supporting = SupportingPost(
        id=post.id,
        network=post.network,
        event_id=event.id,
        excerpt=post.text,
        created_at=post.created_at,
        humanitarian=event.labels.humanitarian.probability or 0.0,
    )
    return Incident(
        id="9c1d5f0e7a2b4c38",
        version=1,
        title="Infrastructure and utility damage near Gorkha",
        category="infrastructure_and_utility_damage",
        severity="unknown",
        severity_score=0.0,
        trend="steady",
        windows=(Window(end=_AT + timedelta(hours=1), posts=1),),
        first_seen=_AT,
        last_seen=_AT,
        updated_at=_AT,
        place=IncidentPlace(
            name=post.place.name,
            country_code=post.place.country_code,
            latitude=post.place.latitude,
            longitude=post.place.longitude,
            radius_km=5.0,
            source=post.place.source,
        ),
        posts=(supporting,),
        post_count=1,
        root_count=1,
        repost_count=0,
        near_duplicate_count=0,
        author_count=1,
    )
