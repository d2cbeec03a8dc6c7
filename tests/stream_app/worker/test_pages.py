"""One record that holds many posts: many events, one offset."""

import json

import pytest

from stream_app.pipeline.events.dead_letter import read_dead_letter
from stream_app.pipeline.events.event import Event
from tests.stream_app.worker.test_worker import Raises, loads, replica, send  # noqa: F401

pytestmark = pytest.mark.kafka


def tweet(number, text="the bridge collapsed", **more):
    return {"id": str(number), "text": f"{text} {number}", "created_at": "2026-03-01T00:00:00Z", **more}


def page(*posts):
    return json.dumps({"data": list(posts), "includes": {"users": [{"id": "1"}]}, "meta": {}}).encode()


def ids(records):
    return sorted(Event.model_validate_json(each.value).post.id for each in records)


async def test_a_page_becomes_its_posts_and_a_bad_one_costs_only_itself(settings, send, replica, collect):  # noqa: F811
    await send([page(tweet(1), {"id": "2"}, tweet(3), tweet(1)), page(*(tweet(i) for i in range(10, 200)))])
    async with replica() as running:
        events = await collect(settings.topics.events, 193)
        [letter] = await collect(settings.topics.dead_letters, 1)
        assert running.room.taken == 0
    assert ids(events) == sorted(["1", "1", "3", *map(str, range(10, 200))])
    assert json.loads(letter.value)["data"] == {"id": "2"}
    async with replica():  # the offsets of both are done: nothing comes again
        assert len(await collect(settings.topics.events)) == 193


async def test_a_post_of_a_page_that_the_model_cannot_take_is_a_dead_letter_that_can_be_sent_again(
    settings, send, replica, collect  # noqa: F811
):  # fmt: skip
    await send([page(tweet(1), tweet(2, "BAD"), tweet(3))])
    async with replica(load=loads(Raises)):
        events = await collect(settings.topics.events, 2)
        [letter] = await collect(settings.topics.dead_letters, 1)
    assert ids(events) == ["1", "3"]
    assert read_dead_letter(letter.headers).stage == "model"
    assert json.loads(letter.value)["id"] == "2"


async def test_a_repost_of_an_unseen_root_gets_no_invented_labels(settings, send, replica, collect):  # noqa: F811
    record = {"subject": {"uri": "at://did:plc:z/app.bsky.feed.post/k9"}, "createdAt": "2026-06-03T10:00:00Z"}
    commit = {"operation": "create", "collection": "app.bsky.feed.repost", "rkey": "1", "record": record}
    await send([json.dumps({"did": "did:plc:a", "time_us": 1780480800000000, "commit": commit}).encode()])
    async with replica():
        [event] = await collect(settings.topics.events, 1)
        alerts = [await collect(settings.topics.alerts(task)) for task in ("informativeness", "humanitarian", "damage")]
    found = Event.model_validate_json(event.value)
    assert {label.label for _, label in found.labels} == {None}
    assert "root was not seen" in found.labels.informativeness.reason
    assert not found.review
    assert alerts == [[], [], []]


async def test_an_unknown_embed_marks_the_event_degraded(settings, send, replica, collect):  # noqa: F811
    post = {"uri": "at://did:plc:a/app.bsky.feed.post/1", "text": "Bridge gone", "createdAt": "2026-06-03T10:00:00Z",
            "embed": {"$type": "app.bsky.embed.hologram"}}  # fmt: skip
    await send([json.dumps(post).encode()])
    async with replica():
        [event] = await collect(settings.topics.events, 1)
    assert Event.model_validate_json(event.value).degraded_reasons == ("embed of unknown type app.bsky.embed.hologram",)
