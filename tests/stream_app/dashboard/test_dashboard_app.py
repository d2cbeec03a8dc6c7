import asyncio
import gzip
import io
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from PIL import Image

from stream_app.dashboard.state import card_id
from stream_app.settings import DashboardSettings

NOW = datetime(2026, 3, 14, 9, 30, tzinfo=UTC)
PHOTO = {"url": "https://example.org/flood.jpg", "status": "used"}


async def read_events(response, count):
    """The next ``count`` Server-Sent Events of a response, as (id, kind, data); comments are passed over."""
    events = []
    fields = {}
    while len(events) < count:
        line = (await asyncio.wait_for(response.content.readline(), 30)).decode().rstrip("\n")
        assert line or fields or not response.content.at_eof(), "the stream ended"
        if not line and fields:
            events.append((fields["id"], fields["event"], json.loads(fields["data"])))
            fields = {}
        elif line and not line.startswith(":"):
            name, value = line.split(": ", 1)
            fields[name] = value
    return events


async def until(true):
    """Wait for the server's side of a connection to come about."""
    while not true():  # noqa: ASYNC110
        await asyncio.sleep(0.01)


@pytest.fixture
async def web():
    async with aiohttp.ClientSession() as session:
        yield session


async def test_snapshot_then_stream(make_bench, make_event, web):
    bench = make_bench()
    bench.state.add_event(make_event(1, text="before"), NOW)
    async with bench.serve() as address, web.get(address + "stream") as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        ((_, kind, snapshot),) = await read_events(response, 1)
        assert kind == "snapshot"
        assert [card["event"]["post"]["text"] for card in snapshot["cards"]] == ["before"]
        bench.state.add_event(make_event(2, text="after"), NOW)
        while True:
            ((_, kind, data),) = await read_events(response, 1)
            if kind == "changes" and data["cards"][0]["event"]["post"]["text"] == "after":
                break


async def test_a_browser_that_reconnects_continues_where_it_was(make_bench, make_event, web):
    bench = make_bench()
    async with bench.serve() as address:
        async with web.get(address + "stream") as response:
            ((last_id, _, _),) = await read_events(response, 1)
        bench.state.add_event(make_event(1), NOW)
        async with web.get(address + "stream", headers={"Last-Event-ID": last_id}) as response:
            kinds = {kind for _, kind, _ in await read_events(response, 2)}
    assert "snapshot" not in kinds


async def test_a_browser_that_does_not_read_is_dropped(make_bench, make_event, web):
    bench = make_bench(backlog=8)
    async with bench.serve() as address:
        host, port = address.removeprefix("http://").rstrip("/").split(":")
        _reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(f"GET /stream HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        async with asyncio.timeout(60):
            await until(lambda: len(bench.hub) == 1)
            while len(bench.hub):
                bench.hub.publish("n", "x" * 1_000_000)
                await asyncio.sleep(0.005)
        writer.close()


async def test_too_many_browsers_are_told_so(make_bench, web):
    bench = make_bench(DashboardSettings(max_browsers=1))
    async with bench.serve() as address, web.get(address + "stream") as first:
        await read_events(first, 1)
        async with web.get(address + "stream") as second:
            assert second.status == 503


async def test_stopping_does_not_wait_for_open_browsers(make_bench, web):
    bench = make_bench()
    async with asyncio.timeout(30):
        async with bench.serve() as address:
            response = await web.get(address + "stream")
            await read_events(response, 1)
        response.close()


@pytest.mark.parametrize("path", ["", "stream", "static/js/main.js", "static/nowhere.js", "nowhere", "health"])
async def test_every_answer_carries_the_protective_headers(make_bench, web, path):
    async with make_bench().serve() as address, web.get(address + path) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8090", "", "[::1", "169.254.169.254"])
async def test_a_rebound_name_is_refused(make_bench, web, host):
    async with make_bench().serve() as address, web.get(address, headers={"Host": host}) as response:
        assert response.status in {400, 421}
        assert "crisis-stream</title>" not in await response.text()


@pytest.mark.parametrize("host", ["localhost", "localhost:1234", "127.0.0.1:8090", "[::1]:8090", "desk.example.org"])
async def test_its_own_names_are_answered(make_bench, web, host):
    bench = make_bench(DashboardSettings(allowed_hosts=("desk.example.org",)))
    async with bench.serve() as address, web.get(address, headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize("size", ["", "/large"])
async def test_photos_are_jpegs_made_here(make_bench, make_event, web, size):
    bench = make_bench()
    bench.state.add_event(make_event(1, media=[PHOTO]), NOW)
    async with bench.serve() as address, web.get(f"{address}photos/{card_id('bluesky', 'p1')}/0{size}") as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        with Image.open(io.BytesIO(await response.read())) as image:
            assert image.size == (80, 60)
    assert bench.fetcher.asked == [PHOTO["url"]]


@pytest.mark.parametrize(
    "path",
    [
        "photos/0123456789abcdef/0",
        "photos/{card}/1",
        "photos/{card}/99",
        "photos/{card}/1/large",
        "photos/0123456789abcdef/0/large",
        "photos/{card}/-1",
        "photos/{card}/http%3A%2F%2Fexample.org%2Fa.jpg",
        "photos/http%3A%2F%2F127.0.0.1%2F/0",
        "photos/{card}/0/../../../etc/passwd",
    ],
)
async def test_nothing_is_fetched_that_is_not_on_show(make_bench, make_event, web, path):
    bench = make_bench()
    bench.state.add_event(make_event(1, media=[PHOTO]), NOW)
    path = path.format(card=card_id("bluesky", "p1"))
    async with bench.serve() as address, web.get(address + path) as response:
        assert response.status == 404
    assert bench.fetcher.asked == []


async def test_a_photo_that_cannot_be_had_is_a_404(make_bench, make_event, web):
    bench = make_bench()
    bench.state.add_event(make_event(1, media=[{"url": "https://example.org/broken.jpg", "status": "used"}]), NOW)
    async with bench.serve() as address, web.get(f"{address}photos/{card_id('bluesky', 'p1')}/0") as response:
        assert response.status == 404


@pytest.mark.parametrize(
    "origin",
    [None, "http://evil.example", "null", "https://127.0.0.1", "http://127.0.0.1:1", "http://[", "http://[::1"],
)
async def test_a_verdict_from_elsewhere_is_refused(make_bench, web, origin):
    bench = make_bench()
    headers = {"Origin": origin} if origin else {}
    async with bench.serve() as address, web.post(address + "verdicts", json={}, headers=headers) as response:
        assert response.status == 403
    assert bench.verdicts == []


async def test_a_verdict_from_our_own_page_is_recorded(make_bench, make_event, web):
    bench = make_bench()
    event = make_event(1)
    bench.state.add_event(event, NOW)
    async with bench.serve() as address:
        headers = {"Origin": address.rstrip("/")}
        async with web.post(address + "verdicts", json={"event": event.id}, headers=headers) as response:
            assert response.status == 204
        async with web.post(address + "verdicts", json={"event": "nosuch"}, headers=headers) as response:
            assert response.status == 404
        async with web.post(address + "verdicts", data=b"{", headers=headers) as response:
            assert response.status == 400
            assert await response.text() == "The body is not JSON.\n"
        async with web.post(address + "verdicts", data=b"x" * 20_000, headers=headers) as response:
            assert response.status == 413
    assert bench.verdicts == [{"event": event.id}]


async def test_health_tells_of_kafka(make_bench, web):
    bench = make_bench()
    bench.state.problems["crisis.events"] = "Kafka is away"
    async with bench.serve() as address, web.get(address + "health") as response:
        assert await response.json() == {"status": "up", "problems": ["Kafka is away"]}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[" * 16_000, {}, 400),
        (b'{"a":' * 3_000, {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[1]", {}, 400),
        (b"null", {}, 400),
        (b"{}", {"Content-Type": "application/json; charset=nosuch"}, 415),
        (b"{}", {"Content-Type": "application/json; charset=utf-16"}, 415),
        (gzip.compress(b"0" * 10_000_000), {"Content-Encoding": "gzip"}, 415),
        (b"no gzip", {"Content-Encoding": "gzip"}, 415),
        (b"no deflate", {"Content-Encoding": "deflate"}, 415),
        (b"x" * 20_000, {}, 413),
    ],
    ids=range(11),
)
async def test_a_body_that_is_none_is_refused_by_a_number(make_bench, web, body, headers, status, caplog):
    bench = make_bench()
    async with bench.serve() as address:
        headers = {"Origin": address.rstrip("/"), **headers}
        async with web.post(address + "verdicts", data=body, headers=headers) as response:
            assert response.status == status
            assert await response.text()
    assert bench.verdicts == []
    assert "Traceback" not in caplog.text
    assert not [record for record in caplog.records if record.exc_info]


async def test_one_client_cannot_take_every_stream(make_bench, web):
    bench = make_bench(DashboardSettings(max_browsers_per_client=2))
    async with bench.serve() as address:
        async with web.get(address + "stream") as first, web.get(address + "stream") as second:
            await read_events(first, 1)
            await read_events(second, 1)
            async with web.get(address + "stream") as third:
                assert third.status == 429
            assert bench.hub.open_from("192.0.2.1") == 0
        async with asyncio.timeout(60):
            await until(lambda: len(bench.hub) < 2)
        async with web.get(address + "stream") as again:
            assert again.status == 200


@pytest.mark.parametrize(("sha256", "status"), [("5" * 64, 200), ("6" * 64, 409), (None, 200)])
async def test_another_photo_than_the_model_saw_is_not_shown(make_bench, make_event, web, sha256, status):
    bench = make_bench()
    bench.state.add_event(make_event(1, media=[{**PHOTO, "sha256": sha256}]), NOW)
    async with bench.serve() as address, web.get(f"{address}photos/{card_id('bluesky', 'p1')}/0") as response:
        assert response.status == status
        assert (response.content_type == "image/jpeg") is (status == 200)
        assert status == 200 or "Changed since" in await response.text()


async def test_on_all_addresses_without_a_name_only_loopbacks_own_names_are_answered(make_bench, web):
    bench = make_bench(DashboardSettings(host="0.0.0.0"))
    async with bench.serve() as address:
        for host, status in (("evil.example", 421), ("10.0.0.5:8090", 421), ("localhost:8090", 200)):
            async with web.get(address, headers={"Host": host}) as response:
                assert response.status == status


@pytest.mark.parametrize(
    ("until", "status"),
    [("yesterday", 400), ("9999-12-31T23:59-14:00", 400), ("0001-01-01", 400), ("2026-03-14T09:30Z", 200)],
)
async def test_an_hour_is_asked_for_by_its_end(make_bench, web, until, status):
    async with make_bench().serve() as address, web.get(f"{address}past", params={"until": until}) as response:
        assert response.status == status
