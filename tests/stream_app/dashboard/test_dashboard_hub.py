import asyncio
import json

import pytest

from stream_app.dashboard.hub import HEARTBEAT, Hub, frame


def read(message: bytes) -> tuple[str, str, object]:
    """Parse one frame the way the standard's section 9.2.6 does."""
    assert message.endswith(b"\n\n")
    fields = dict(line.split(": ", 1) for line in message.decode().strip().split("\n"))
    return fields["id"], fields["event"], json.loads(fields["data"])


def test_a_frame_survives_line_breaks_in_posts():
    assert read(frame("changes", {"text": "a\r\nb\n\ndata: c\u2028"}, "r-1")) == (
        "r-1",
        "changes",
        {"text": "a\r\nb\n\ndata: c\u2028"},
    )


def test_a_new_browser_gets_a_snapshot():
    hub = Hub(lambda: {"cards": [1]})
    for last_id in (None, "", "nonsense", "otherrun-1", "-", f"{hub._run}-99"):
        (message,) = hub.missed(last_id)
        assert read(message)[1:] == ("snapshot", {"cards": [1]})


def test_a_browser_that_comes_back_gets_only_what_it_missed():
    hub = Hub(dict, backlog=8, journal=4)
    hub.publish("n", 1)
    last_id = read(hub.missed(None)[0])[0]
    hub.publish("n", 2)
    hub.publish("n", 3)
    assert [read(message)[2] for message in hub.missed(last_id)] == [2, 3]
    for number in range(4, 9):
        hub.publish("n", number)
    assert [read(message)[1] for message in hub.missed(last_id)] == ["snapshot"]


def test_catching_up_must_fit_the_backlog():
    with pytest.raises(AssertionError):
        Hub(dict, backlog=4, journal=4)


async def test_a_slow_browser_is_let_go_and_holds_no_memory():
    hub = Hub(dict, backlog=4, journal=2)
    with hub.subscribe() as slow, hub.subscribe() as quick:
        frames = quick.frames(5)
        for number in range(10):
            hub.publish("n", number)
            assert read(await anext(frames))[2] == number
        assert slow._frames.qsize() == 1
        assert [message async for message in slow.frames(5)] == []
    assert len(hub) == 0


async def test_heartbeat_when_nothing_happens():
    hub = Hub(dict)
    with hub.subscribe() as subscription:
        frames = subscription.frames(0.01)
        assert await anext(frames) == HEARTBEAT
        hub.publish("n", 1)
        assert read(await anext(frames))[2] == 1


async def test_close_lets_everyone_go():
    hub = Hub(dict)
    with hub.subscribe() as subscription:
        hub.publish("n", 1)
        hub.close()
        async with asyncio.timeout(30):
            assert [message async for message in subscription.frames(60)] == []
