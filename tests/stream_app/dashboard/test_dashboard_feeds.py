"""Feeds over HTTP: asked again they cost nothing, pages follow each other, messages refer to those before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from lxml import etree

from stream_app.decisions.act import Decision, Merge, SetStatus
from stream_app.render.feeds import FORMS
from stream_app.settings import DashboardSettings

START = datetime(2026, 3, 14, 9, 26, 53, tzinfo=UTC)


@pytest.fixture
async def web():
    async with aiohttp.ClientSession() as session:
        yield session


def fill(bench, make_incident, count=3):
    for number in range(count):
        at = START + timedelta(minutes=number)
        bench.state.put_incident(make_incident(f"i{number}", updated_at=at, posts=[number]))


@pytest.mark.parametrize("form", FORMS)
async def test_each_form_is_had_once_and_then_not_changed_until_it_is(make_bench, make_incident, web, form):
    bench = make_bench()
    fill(bench, make_incident)
    async with bench.serve() as address:
        url = f"{address}feeds/incidents.{form}"
        async with web.get(url) as first:
            assert first.status == 200
            assert first.content_type == FORMS[form][0]
            tag = first.headers["ETag"]
            assert "i2" in await first.text()
        async with web.get(url, headers={"If-None-Match": f'"other", {tag}'}) as again:
            assert (again.status, await again.read()) == (304, b"")
        bench.state.add_decision(Decision(incident="i0", act=SetStatus(status="confirmed"), by="ada", at=START))
        async with web.get(url, headers={"If-None-Match": tag}) as changed:
            assert (changed.status, changed.headers["ETag"] != tag) == (200, True)
        assert (await web.head(url)).status == 200


async def test_pages_and_filters(make_bench, make_incident, web):
    bench = make_bench(DashboardSettings(address="https://desk.example/crisis"))
    fill(bench, make_incident, 5)
    bench.state.add_decision(Decision(incident="i0", act=SetStatus(status="false"), by="ada", at=START))
    async with bench.serve() as address:
        seen, url = [], f"{address}feeds/incidents.atom?size=2"
        while url:
            async with web.get(url) as answer:
                feed = etree.fromstring(await answer.read())
                links = answer.links
            seen += [entry.findtext("{*}id").rpartition(":")[2] for entry in feed.iter("{*}entry")]
            following = links.get("next")
            assert following is None or str(following["url"]).startswith("https://desk.example/crisis/feeds/")
            url = following and f"{address}feeds/incidents.atom{str(following['url']).partition('atom')[2]}"
        assert seen == ["i4", "i3", "i2", "i1", "i0"]

        async def count(query):
            async with web.get(f"{address}feeds/incidents.geojson?{query}") as answer:
                return len((await answer.json(content_type=None))["features"]) if answer.ok else answer.status

        asked = ("status=open", "status=false", "severity=minor", "place=Beira")
        assert [await count(q) for q in asked] == [4, 1, 0, 5]
        wrong = ("size=0", "size=x", "page=9", "page=%C2%B2", "place=1,2,3,4,5,6", "size=" + "9" * 5000)
        assert [await count(q) for q in wrong] == [400] * 6


async def test_the_cap_of_one_refers_to_what_was_said_before_and_a_merged_one_leads_on(make_bench, make_incident, web):
    bench = make_bench()
    for version in (1, 2):
        bench.state.put_incident(make_incident("a", version=version, updated_at=START + timedelta(minutes=version)))
    bench.state.put_incident(make_incident("b", posts=[2]))

    async def alert(address, name):
        async with web.get(f"{address}feeds/incidents/{name}.cap") as answer:
            assert answer.status == 200
            return etree.fromstring(await answer.read())

    async with bench.serve() as address:
        first = await alert(address, "a")
        assert first.findtext("{*}msgType") == "Update"
        assert first.findtext("{*}references").split(",")[1] == "crisis-stream.a.1"
        bench.state.take_changes()
        merge = Decision(incident="b", act=Merge(into="a"), by="ada", at=START + timedelta(hours=1))
        bench.state.add_decision(merge)
        merged = await alert(address, "b")
        said = {reference.split(",")[1] for reference in merged.findtext("{*}references").split()}
        assert {first.findtext("{*}identifier"), "crisis-stream.b.1"} <= said
        assert merged.findtext("{*}incidents") == "a"
        assert merged.findtext("{*}identifier") not in said
        assert (await web.get(f"{address}feeds/incidents/nosuch.cap")).status == 404
