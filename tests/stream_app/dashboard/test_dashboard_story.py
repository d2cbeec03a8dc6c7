"""The whole story on a real Kafka, at two browsers: an alert comes, an officer claims, merges, corrects and closes.

A second browser sees it, the audit trail has it, and a webhook is told once of each thing, though ``notify`` began anew
between any two of them.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from factories import running_webhook
from playwright.sync_api import expect

from stream_app.dashboard.server import dashboard
from stream_app.decisions.store import read_decisions
from stream_app.kafka.clients import client_options
from stream_app.notify.service import notify
from stream_app.settings import DashboardSettings, NotifySettings

pytestmark = [pytest.mark.kafka, pytest.mark.browser]
PATIENCE_MS = 60_000  # never asserted: a busy machine is no fault of the code


@asynccontextmanager
async def telling(settings):
    work = asyncio.create_task(notify(settings))
    try:
        yield
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)


async def until(true):
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while not await true():  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_an_alert_is_claimed_merged_corrected_and_closed_before_two_browsers(
    settings, make_event, make_incident, open_browser
):
    told = {}  # at least once, and by its key told from the first time

    async def take(request):
        told[request.headers["Idempotency-Key"]] = json.loads(await request.read())["data"]["notices"][0]
        return web.Response()

    async with running_webhook(take) as port:
        channel = {"name": "desk", "webhook": f"http://127.0.0.1:{port}/"}
        rules = [
            {"name": "pleas", "on": "alerts", "task": "humanitarian", "channels": ["desk"]},
            {"name": "incidents", "channels": ["desk"]},
        ]
        asked = NotifySettings.model_validate({"channel": [channel], "rule": rules, "http_port": 0})
        mine = settings.model_copy(update={"dashboard": DashboardSettings(port=0, user="desk"), "notify": asked})
        topics = mine.topics

        async def begun():
            options = client_options(mine.kafka)
            async with AIOKafkaConsumer(**options, group_id=f"{topics.prefix}notify") as consumer:
                return await consumer.committed(TopicPartition(topics.decisions, 0)) is not None

        async def publish(*records):
            async with AIOKafkaProducer(**client_options(mine.kafka)) as producer:
                for topic, key, value in records:
                    await producer.send_and_wait(topic, value.model_dump_json().encode(), key=key.encode())

        async def told_of(count):
            await until(lambda: asyncio.sleep(0, len(told) >= count))

        async with telling(mine):
            await until(begun)
        plea = make_event(1, text="Water over the quay, people on roofs", humanitarian="affected_individuals")
        one = make_incident("quay", posts=[1], post_count=8)
        other = make_incident("market", posts=[2], post_count=3, severity="moderate", severity_score=0.4)
        await publish(
            (topics.events, "p1", plea),
            (topics.alerts("humanitarian"), "p1", plea),
            (topics.incidents, "quay", one),
            (topics.incidents, "market", other),
        )
        async with telling(mine):
            await told_of(3)
        steps: asyncio.Queue[str] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def done(step):
            loop.call_soon_threadsafe(steps.put_nowait, step)

        async with dashboard(mine) as address:
            work = asyncio.create_task(asyncio.to_thread(officers, address, open_browser, done))
            for _ in range(2):
                async with telling(mine):
                    await asyncio.wait({work, step := asyncio.create_task(steps.get())}, return_when="FIRST_COMPLETED")
                    step.cancel()
            await work
            async with telling(mine):
                await until(lambda: asyncio.sleep(0, any(notice["kind"] == "over" for notice in told.values())))
    kinds = [notice["kind"] for notice in told.values()]
    assert kinds.count("alert") == kinds.count("over") == 1
    trail = [(each.by, each.act.kind, each.incident) for each in await read_decisions(mine)]
    assert trail == [
        ("ada", "claim", "market"),
        ("ada", "merge", "market"),
        ("ada", "place", "quay"),
        ("ada", "status", "quay"),
    ]


def officers(address, open_browser, tell):
    """What two people do and see, each at a browser of their own."""
    with open_browser() as browser:
        mine, theirs = (browser.new_context(viewport={"width": 1400, "height": 900}).new_page() for _ in range(2))
        for page in (mine, theirs):
            page.set_default_timeout(PATIENCE_MS)
            page.goto(address)
        look = {"timeout": PATIENCE_MS}
        expect(mine.locator(".card .text")).to_have_text("Water over the quay, people on roofs", **look)
        mine.locator("[data-incident=market]").click()
        work = mine.locator("#work")
        work.get_by_label("Your name").fill("ada")
        work.get_by_role("button", name="I have this").click()
        expect(theirs.locator("[data-incident=market] .worked")).to_have_text("ada", **look)
        tell("claimed")
        work.get_by_text("Assign, merge, split, place").click()
        work.get_by_label("Merge into").select_option("quay")
        work.get_by_role("button", name="Merge").click()
        expect(theirs.locator(".incident")).to_have_count(1, **look)
        expect(theirs.locator("[data-incident=quay]")).to_contain_text("11 posts", **look)
        tell("merged")
        mine.locator("[data-incident=quay]").click()
        work.get_by_text("Assign, merge, split, place").click()
        work.get_by_label("Place", exact=True).fill("Dondo")
        work.get_by_label("Latitude").fill("-19.6")
        work.get_by_label("Longitude").fill("34.74")
        work.get_by_role("button", name="Correct").click()
        expect(theirs.locator("[data-incident=quay]")).to_contain_text("Dondo", **look)
        work.get_by_label("Status").select_option("Closed")
        expect(theirs.locator(".incident")).to_have_count(0, **look)
        theirs.get_by_role("button", name="1 false or closed: show").click()
        theirs.locator("[data-incident=quay]").click()
        log = theirs.locator("#work .log li")
        expect(log).to_have_count(4, **look)
        expect(log.first).to_contain_text("ada set it to “Closed”", **look)
