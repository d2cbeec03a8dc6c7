"""What `crisis-stream forget` does on a real broker, with a worker that runs and without."""

import asyncio
import json

import pytest
from click.testing import CliRunner

from stream_app.cli.forget import command
from stream_app.forget import Wanted, wanted
from stream_app.kafka.subscribe import EPOCH, subscribe
from stream_app.pipeline.events.event import Event
from stream_app.pipeline.posts.facts import author_key
from stream_app.pipeline.posts.pseudonym import pseudonym
from tests.stream_app.worker.test_worker import a_post, replica, send  # noqa: F401

KEY = author_key("bluesky", "did:plc:a")


@pytest.mark.parametrize(
    ("name", "options", "means"),
    [
        ("at://did:plc:a/app.bsky.feed.post/k", {}, Wanted("bluesky", "at://did:plc:a/app.bsky.feed.post/k")),
        ("https://bsky.app/profile/a/post/k", {}, Wanted("bluesky", "https://bsky.app/profile/a/post/k")),
        ("https://m.example/@a/1", {}, Wanted("mastodon", "https://m.example/@a/1")),
        ("https://x.com/somebody/status/17?s=20", {}, Wanted("x", "17")),
        ("17", {}, Wanted("x", "17")),
        ("other/sms-1", {}, Wanted("other", "sms-1")),
        ("sms-1", {}, Wanted(None, "sms-1")),
        ("did:plc:a", {}, Wanted("bluesky", author=KEY)),
        (KEY, {"author": True}, Wanted(None, author=KEY)),
        ("desk-7", {"author": True, "network": "other"}, Wanted("other", author=author_key("other", "desk-7"))),
        ("did:plc:a", {"secret": "pepper"}, Wanted("bluesky", author=pseudonym(KEY, "pepper"))),
    ],
)
def test_what_a_name_means(name, options, means):
    assert wanted(name, **{"author": False, "network": None, "secret": None} | options) == means


def test_an_author_of_no_known_network_is_asked_for():
    with pytest.raises(ValueError, match="--network"):
        wanted("somebody", author=True, network=None, secret=None)


def said(number, author, text="the bridge collapsed, 12 dead", **more):
    return json.dumps(
        json.loads(a_post(number)) | {"text": f"{text} {number}", "author": {"key": author}} | more
    ).encode()


async def all_of(settings, topic):
    return [each async for each in subscribe(settings, [topic], since=EPOCH, until_end=True)]


def compacted(records):
    """What a compacted copy of a topic keeps: of each key the last."""
    return {each.key: Event.model_validate_json(each.value) for each in records}


@pytest.mark.kafka
async def test_all_that_is_known_of_a_post_or_an_author_is_taken_back(settings, send, replica, collect, monkeypatch):  # noqa: F811
    monkeypatch.setenv("CRISIS_STREAM_KAFKA__BOOTSTRAP_SERVERS", settings.kafka.bootstrap_servers)
    monkeypatch.setenv("CRISIS_STREAM_TOPICS__PREFIX", settings.topics.prefix)

    async def run(*words):
        result = await asyncio.to_thread(CliRunner().invoke, command, list(words))
        assert result.exit_code == 0, result.output
        return result.output

    await send(
        [
            said(1, "ann"),
            said(2, "ann", "roofs gone"),
            said(3, "bob", "the bridge collapsed, 12 dead", root_id="1", kind="repost"),
            said(4, "bob", "roads closed"),
        ]
    )
    async with replica():
        await collect(settings.topics.events, 4)
    before = await all_of(settings, settings.topics.events)
    ann = ("--author", "--network", "other", "ann")
    assert "2 posts and 1 reposts would be taken back" in await run("--dry-run", *ann)
    assert len(await all_of(settings, settings.topics.events)) == len(before), "a dry run writes nothing"
    # A worker that is started later knows nothing of these posts: what takes them back comes from the topic's history.
    told = await run(*ann)
    assert "3 events of 2 posts and 1 reposts taken back" in told
    assert "keeps its records for ever" in told, "the local broker forgets nothing by age"
    for topic in (settings.topics.events, settings.topics.alerts("humanitarian")):
        last = compacted(await all_of(settings, topic))
        assert {event.post.id for event in last.values() if not event.withdrawn} <= {"4"}, topic
        assert all(event.withdrawn or event.post.author_key == author_key("other", "bob") for event in last.values())
    assert "0 events of 0 posts" in await run(*ann)
    async with replica():  # the workers were told through the feed; what they say is said again, and harms nothing
        await send([said(5, "bob", "last")])
        async with asyncio.timeout(30):
            async for each in subscribe(settings, [settings.topics.events], since=EPOCH):
                if Event.model_validate_json(each.value).post.id == "5":
                    break
    assert "1 events of 1 posts" in await run("other/4")
    events = await all_of(settings, settings.topics.events)
    assert {event.post.id for event in compacted(events).values() if not event.withdrawn} == {"5"}
