"""Events go where the rules say, in the form CloudEvents says."""

import json
from datetime import UTC, datetime

from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event, to_binary_event
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from model.scorer import CONCEPTS, PostInput
from model.serving.fixed import FixedScorer
from stream_app.pipeline.events.build import DuplicateInfo, Spent, make_event
from stream_app.pipeline.events.event import EVENT_TYPE, Event
from stream_app.pipeline.events.publish import SOURCE, event_records
from stream_app.pipeline.events.route import alerts_of, topics_of
from stream_app.pipeline.labelling.describe import describe
from stream_app.pipeline.posts.post import Post
from stream_app.settings import AlertRule, AlertSettings, TopicSettings

SCORER = FixedScorer()


def an_event(text="bridge collapsed", post_id="1", root_id="1"):
    post = Post(network="x", id=post_id, root_id=root_id, text=text, created_at=datetime(2026, 3, 1, tzinfo=UTC))
    scored = SCORER.score([PostInput(text)])[0]
    return make_event(post, describe(post, (), scored, SCORER.info), Spent(), DuplicateInfo())


def labels(text="bridge collapsed"):
    return SCORER.score([PostInput(text)])[0].labels


def test_every_event_goes_to_events_and_alerts_by_rule():
    topics = TopicSettings(prefix="p.")
    assert topics_of(labels("nothing here"), topics, AlertSettings()) == ["p.events"]
    assert topics_of(labels(), topics, AlertSettings()) == [
        "p.events",
        "p.alerts.informativeness",
        "p.alerts.humanitarian",
    ]


def test_a_request_for_help_has_an_alert_topic_of_its_own():
    topics = TopicSettings(prefix="p.")
    assert "p.alerts.request" in topics_of(labels("we are trapped"), topics, AlertSettings())
    assert "p.alerts.request" not in topics_of(labels(), topics, AlertSettings())


def test_an_event_of_before_requests_is_read_still():
    value = json.loads(an_event().value)
    del value["labels"]["request"]
    label = Event.model_validate(value).labels.request
    assert label.label is None
    assert label.reason


@given(st.floats(0, 1))
def test_a_rule_passes_exactly_from_its_threshold_on(threshold):
    rule = AlertRule(labels=frozenset({"informative"}), min_probability=threshold)
    raised = alerts_of(labels(), AlertSettings(informativeness=rule))
    assert ("informativeness" in raised) == (threshold <= 0.9)


def test_a_concept_that_does_not_apply_never_alerts():
    everything = AlertRule(labels=frozenset({"severe_damage", "mild_damage"}), min_probability=0)
    assert "damage" not in alerts_of(labels(), AlertSettings(damage=everything))
    assert set(alerts_of(labels(), AlertSettings())) <= set(CONCEPTS)


def sdk_event(event):
    return CloudEvent(
        {
            "id": event.id,
            "source": SOURCE,
            "type": EVENT_TYPE,
            "specversion": "1.0",
            "time": datetime.fromisoformat(event.time),
            "subject": event.subject,
            "datacontenttype": "application/json",
        },
        json.loads(event.value),
    )


@given(
    st.text(st.characters(blacklist_categories=["Cs"])),
    st.text(st.characters(blacklist_categories=["Cs", "Cc"]), min_size=1).filter(str.strip),
)
def test_headers_are_those_of_the_cloudevents_sdk(text, post_id):
    event = an_event(text, post_id)
    assert dict(event_records(event, ["t"])[0].headers) == to_binary_event(sdk_event(event)).headers


def test_the_sdk_reads_our_records_back():
    event = an_event(post_id="9", root_id="4")
    record = event_records(event, ["p.events"])[0]
    message = KafkaMessage(dict(record.headers), record.key, record.value)
    read = from_binary_event(message)
    assert (read.get_id(), read.get_type(), read.get_subject()) == (event.id, EVENT_TYPE, "x/9")
    assert Event.model_validate(read.get_data()) == Event.model_validate_json(event.value)


def test_records_differ_by_topic_only_and_share_the_root_as_key():
    records = event_records(an_event(post_id="9", root_id="4"), ["a", "b"])
    assert [record.topic for record in records] == ["a", "b"]
    assert len({(record.key, record.value) for record in records}) == 1
    assert records[0].key == b"4"
