"""Edits and withdrawals on a real broker: what the worker publishes of them, where, and under which key."""

import asyncio
import json

import pytest

from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.pipeline.events.event import EVENT_TYPE, WITHDRAWN_TYPE, Event, event_id
from stream_app.pipeline.events.withdraw import Published
from stream_app.pipeline.media.outcome import MediaOutcome
from stream_app.settings import PostSettings
from stream_app.worker.recall import Recall
from tests.stream_app.worker.test_worker import NoImages, a_post, eventually, replica, send  # noqa: F401

pytestmark = pytest.mark.kafka
VERSION = "1"


def says(number, text, **more):
    """A post with this text and no other."""
    return json.dumps(json.loads(a_post(number)) | {"text": text} | more).encode()


def withdrawn(**more):
    return json.dumps({"network": "other", "withdrawn": "deleted"} | more).encode()


async def all_of(settings, topic):
    return [each async for each in subscribe(settings, [topic], since=EPOCH, until_end=True)]


def read(records):
    return [Event.model_validate_json(each.value) for each in records]


async def test_an_edit_is_labelled_anew_and_takes_its_first_version_back_from_the_alerts(
    settings, send, replica, collect  # noqa: F811
):  # fmt: skip
    await send([says(1, "12 dead, the bridge collapsed")])
    async with replica() as running:
        await collect(settings.topics.events, 1)
        await send([says(1, "good morning, nothing happened", edited="v2")])
        await collect(settings.topics.events, 2)
        await send([says(1, "good morning, nothing happened at all", edited="v3")])
        first, second, third = read(await collect(settings.topics.events, 3))
        text = running.metrics_text().decode()
    model = first.model.version
    assert (first.id, first.supersedes) == (event_id("other", "1", model), None)
    assert (second.id, second.supersedes) == (event_id("other", "1", model, "v2"), first.id)
    assert (third.id, third.supersedes) == (event_id("other", "1", model, "v3"), second.id)
    assert first.labels.informativeness.label == "informative"
    assert second.labels.informativeness.label == "not_informative", "not from the memory of the first text"
    assert second.post.edited == "v2"
    assert 'became="event"} 3.0' in text
    alert, taken, *_ = await all_of(settings, settings.topics.alerts("humanitarian"))
    assert (alert.headers["ce_type"], taken.headers["ce_type"]) == (EVENT_TYPE, WITHDRAWN_TYPE)
    assert (alert.headers["ce_id"], taken.headers["ce_id"]) == (first.id, first.id)
    assert alert.headers["ce_source"] != taken.headers["ce_source"], "id and source together are unique"
    assert alert.key == taken.key
    assert Event.model_validate_json(taken.value).withdrawn.edited_to == second.id


async def test_a_first_version_that_comes_again_has_its_own_labels(settings, send, replica, collect):  # noqa: F811
    values = (
        says(1, "good morning", edited="v2"),
        says(1, "12 dead, the bridge collapsed"),
        says(2, "good morning", root_id="1", kind="repost"),
    )
    async with replica():
        for number, value in enumerate(values):
            await send([value])
            found = read(await collect(settings.topics.events, number + 1))
    [edit] = [each for each in found if each.supersedes]
    [first] = [each for each in found if "dead" in each.post.text]
    [repost] = [each for each in found if each.post.id == "2"]
    assert edit.supersedes == first.id, "known by its id alone, though it was never seen"
    assert first.labels.informativeness.label == "informative"
    assert repost.labels == edit.labels


async def test_a_withdrawal_reaches_every_topic_that_had_the_post_under_its_key_and_says_nothing_of_it(
    settings, send, replica, collect  # noqa: F811
):  # fmt: skip
    await send(
        [says(1, "12 dead, the bridge collapsed"), says(2, "the bridge collapsed too", root_id="7", kind="repost")]
    )
    async with replica() as running:
        await collect(settings.topics.events, 2)
        await send([withdrawn(id="1"), withdrawn(id="2")])
        await collect(settings.topics.events, 4)
        records = await all_of(settings, settings.topics.events)
        humanitarian = await all_of(settings, settings.topics.alerts("humanitarian"))
        damage = await all_of(settings, settings.topics.alerts("damage"))
        text = running.metrics_text().decode()
        await send([says(1, "12 dead, the bridge collapsed")])
        again = read(await collect(settings.topics.events, 5))[-1]
    taken = {each.headers["ce_subject"]: each for each in records if each.headers["ce_type"] == WITHDRAWN_TYPE}
    events = {each.headers["ce_subject"]: each for each in records if each.headers["ce_type"] == EVENT_TYPE}
    assert set(taken) == set(events) == {"other/1", "other/2"}
    for subject, record in taken.items():
        assert record.key == events[subject].key
        assert record.partition == events[subject].partition
        assert record.headers["ce_id"] == events[subject].headers["ce_id"]
        assert b"collapsed" not in record.value
        event = Event.model_validate_json(record.value)
        assert event.withdrawn.events == (record.headers["ce_id"],)
        assert event.labels.humanitarian.label is None
    last = {record.key: record for record in records}  # what a compacted copy keeps
    assert all(b"collapsed" not in record.value for record in last.values())
    assert len([each for each in humanitarian if each.headers["ce_type"] == WITHDRAWN_TYPE]) == 2
    assert not damage, "which never had it"
    assert 'became="withdrawal"} 2.0' in text
    assert again.duplicate_of is None


async def test_an_author_is_withdrawn_with_all_posts_known_and_by_the_secret_key(settings, send, replica, collect):  # noqa: F811
    secret = settings.model_copy(update={"posts": PostSettings(author_salt="pepper")})
    await send([says(i, f"the bridge collapsed {i}", author={"key": "4711"}) for i in range(3)])
    async with replica(settings=secret):
        events = read(await collect(settings.topics.events, 3))
        await send([withdrawn(author={"key": "4711"})])
        found = [each for each in read(await collect(settings.topics.events, 7)) if each.withdrawn]
        await send([withdrawn(author_key=events[0].post.author_key)])
        again = [each for each in read(await collect(settings.topics.events, 8)) if each.withdrawn]
    [key] = {each.post.author_key for each in events}
    from stream_app.pipeline.posts.facts import author_key
    from stream_app.pipeline.posts.pseudonym import pseudonym

    assert key == pseudonym(author_key("other", "4711"), "pepper") != author_key("other", "4711")
    assert {each.id for each in events} < {each.id for each in found}
    [whole] = [each for each in found if each.withdrawn.whole_author]
    assert whole.post.author_key == key
    assert len([each for each in again if each.withdrawn.whole_author and each.post.author_key == key]) == 2


async def test_a_post_withdrawn_while_it_is_labelled_is_not_published_after_its_withdrawal(
    settings, send, replica, collect  # noqa: F811
):  # fmt: skip
    begun, go = [], asyncio.Event()

    class Waits(NoImages):
        async def fetch(self, links, since=None):
            begun.append(links)
            await go.wait()
            return tuple(MediaOutcome(link.url, "late", reason="slow") for link in links)

    media = [{"url": "https://a.example/1.jpg"}]
    async with replica(fetcher=Waits):
        await send([says(1, "12 dead", media=media), says(2, "3 dead", media=media)])
        await eventually(lambda: len(begun) == 2)
        await send([withdrawn(id="1"), says(2, "nobody dead", edited="v2"), says(3, "last", media=media)])
        await collect(settings.topics.events, 2)  # the withdrawal and the edit
        await eventually(lambda: len(begun) == 3)
        go.set()
        await collect(settings.topics.events, 3)
        await send([says(4, "very last", media=media)])
        records = await collect(settings.topics.events, 4)
    texts = [each.post.text for each in read(records)]
    assert sorted(texts) == ["", "last", "nobody dead", "very last"]


def toot(number, text):
    """A status of another server, whose local id says nothing of its address."""
    return json.dumps(
        {
            "id": f"11{number}",
            "uri": f"https://far.example/s/{number}",
            "created_at": "2026-03-01T00:00:00Z",
            "content": f"<p>{text} {number}</p>",
            "visibility": "public",
            "account": {"id": "7"},
        }
    ).encode()


def deletes(local_id):
    return json.dumps({"event": "delete", "payload": local_id}).encode()


async def test_what_a_worker_before_is_just_committing_is_recalled(
    settings,
    send,  # noqa: F811
    replica,  # noqa: F811
    collect,
    in_a_transaction,
):
    await send([toot(1, "the bridge collapsed")])
    async with replica():
        [event] = await collect(settings.topics.events, 1)
    published = Published(10)
    async with in_a_transaction(settings.topics.events, event.value.replace(b"111", b"112")):
        reading = asyncio.create_task(Recall(settings, published).read())
        await asyncio.wait({reading}, timeout=1)
    await reading
    assert published.knows("mastodon", "112")


async def test_a_mastodon_deletion_finds_what_a_worker_before_published(settings, send, replica, collect):  # noqa: F811
    await send([toot(1, "12 dead, the bridge collapsed"), toot(2, "the bridge collapsed too")])
    async with replica():
        first = read(await collect(settings.topics.events, 2))
    await send([deletes("111"), deletes("119"), says(3, "the bridge collapsed")])
    async with replica():
        await collect(settings.topics.events, 5)
        await send([deletes("112")])
        found = read(await collect(settings.topics.events, 6))
    ids = {each.post.id: each for each in first}
    taken = {each.post.id: each for each in found if each.withdrawn}
    assert set(taken) == {"https://far.example/s/1", "https://far.example/s/2", "119"}, "and 119, which nobody knows"
    for name, event in ids.items():
        assert (taken[name].id, taken[name].withdrawn.events) == (event.id, (event.id,))
    assert ids["https://far.example/s/1"].post.local_id == "111"
    records = await all_of(settings, settings.topics.events)
    last = {record.key: record for record in records}
    assert not [each for each in last.values() if b"far.example" in each.value and b"collapsed" in each.value]
    alerts = [each for each in await all_of(settings, settings.topics.alerts("humanitarian")) if b"far" in each.value]
    assert [each.headers["ce_type"] for each in alerts].count(WITHDRAWN_TYPE) == 2
