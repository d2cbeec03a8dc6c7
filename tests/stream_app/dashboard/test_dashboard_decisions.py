"""Acts on incidents by the dashboard's address: who may, who it was, and what everybody then sees."""

from __future__ import annotations

import aiohttp
import pytest
from pydantic import ValidationError

from stream_app.decisions.act import Claim, Merge
from stream_app.settings import DashboardSettings

CLAIM = {"incident": "a", "act": {"kind": "claim"}}
BEHIND_A_PROXY = {"user_header": "X-Forwarded-User", "roles": {"judge": ["ada", "bo"], "decide": ["ada"]}}


@pytest.fixture
async def web():
    async with aiohttp.ClientSession() as session:
        yield session


def two_incidents(bench, make_incident):
    bench.state.put_incident(make_incident("a"))
    bench.state.put_incident(make_incident("b", posts=[2]))


async def say(web, address, path, body, **headers):
    async with web.post(address + path, json=body, headers={"Origin": address.rstrip("/"), **headers}) as answer:
        return answer.status, await answer.text()


async def test_an_act_is_stored_under_the_local_users_name_or_one_the_page_gives(make_bench, make_incident, web):
    bench = make_bench(DashboardSettings(user="desk-1"))
    two_incidents(bench, make_incident)
    async with bench.serve() as address:
        assert (await say(web, address, "decisions", CLAIM))[0] == 201
        body = {"incident": "b", "act": {"kind": "merge", "into": "a"}, "by": "ada"}
        assert (await say(web, address, "decisions", body))[0] == 201
        assert (await (await web.get(address + "me")).json())["name"] == "desk-1"
    assert [(each.by, each.act) for each in bench.decisions] == [("desk-1", Claim()), ("ada", Merge(into="a"))]
    (one,) = bench.state.snapshot()["incidents"]
    assert (one["id"], one["post_count"], one["work"]["owner"]) == ("a", 16, "desk-1")
    assert [entry["act"]["kind"] for entry in one["work"]["log"]] == ["claim", "merge"]


async def test_browsers_are_told_what_changed_and_what_is_gone(make_bench, make_incident):
    bench = make_bench()
    two_incidents(bench, make_incident)
    bench.state.take_changes()
    from stream_app.decisions.act import Decision

    bench.state.add_decision(Decision(incident="b", act=Merge(into="a"), by="ada"))
    changes = bench.state.take_changes()
    assert (changes.gone, [each["id"] for each in changes.incidents]) == (["b"], ["a"])
    assert not bench.state.take_changes()


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"incident": "a", "act": {"kind": "explode"}}, 400, "act"),
        ({"incident": "a", "act": {"kind": "status", "status": "huge"}}, 400, "status"),
        ({"incident": "a", "act": {"kind": "place", "place": {"latitude": 99, "longitude": 0}}}, 400, "latitude"),
        ({"incident": "a"}, 400, "act"),
        ({"incident": "nosuch", "act": {"kind": "claim"}}, 404, "crisis-stream incident"),
        ({"incident": "a", "act": {"kind": "merge", "into": "a"}}, 409, "one already"),
        ({"incident": "a", "act": {"kind": "undo", "act": "nosuch"}}, 409, "no act"),
    ],
)
async def test_what_is_no_act_is_refused_in_words(make_bench, make_incident, web, body, status, says):
    bench = make_bench()
    two_incidents(bench, make_incident)
    async with bench.serve() as address:
        got, text = await say(web, address, "decisions", body)
    assert (got, bench.decisions) == (status, [])
    assert says in text


async def test_other_pages_may_not_act(make_bench, make_incident, web):
    bench = make_bench()
    two_incidents(bench, make_incident)
    async with bench.serve() as address:
        assert (await say(web, address, "decisions", CLAIM, Origin="https://evil.example"))[0] == 403
    assert bench.decisions == []


async def test_behind_a_proxy_its_word_counts_and_roles_hold(make_bench, make_event, make_incident, web):
    bench = make_bench(DashboardSettings(**BEHIND_A_PROXY))
    two_incidents(bench, make_incident)
    event = make_event(1)
    bench.state.add_event(event, event.timings.produced_at)
    verdict = {"event": event.id, "labels": {"damage": "mild_damage"}, "analyst": "somebody else"}
    async with bench.serve() as address:
        for path in ("", "me", "stream"):
            assert (await web.get(address + path)).status == 401
        assert (await web.get(address + "health")).status == 200
        assert (await say(web, address, "decisions", CLAIM))[0] == 401
        assert (await say(web, address, "decisions", CLAIM, **{"X-Forwarded-User": "bo"}))[0] == 403
        assert (await say(web, address, "decisions", {**CLAIM, "by": "bo"}, **{"X-Forwarded-User": "ada"}))[0] == 201
        assert (await say(web, address, "verdicts", verdict, **{"X-Forwarded-User": "cy"}))[0] == 403
        assert (await say(web, address, "verdicts", verdict, **{"X-Forwarded-User": "bo"}))[0] == 204
        me = await (await web.get(address + "me", headers={"X-Forwarded-User": "bo"})).json()
    assert [each.by for each in bench.decisions] == ["ada"]
    assert bench.verdicts[0]["analyst"] == "bo"
    assert me == {"name": "bo", "roles": ["see", "judge"], "proven": True}


async def test_a_header_from_elsewhere_or_twice_is_nobodys(make_bench, web):
    elsewhere = make_bench(DashboardSettings(**BEHIND_A_PROXY, trusted_proxies=["192.0.2.0/24"]))
    async with elsewhere.serve() as address:
        assert (await web.get(address + "me", headers={"X-Forwarded-User": "ada"})).status == 401
    async with make_bench(DashboardSettings(**BEHIND_A_PROXY)).serve() as address:
        twice = [("X-Forwarded-User", "mallory"), ("X-Forwarded-User", "ada")]
        assert (await web.get(address + "me", headers=twice)).status == 401


def test_roles_without_a_proxy_that_proves_names_are_refused():
    with pytest.raises(ValidationError, match="user_header"):
        DashboardSettings(roles={"decide": ["ada"]})
