"""Hosts that misuse HTTP itself: endless heads, trailers and chunks, lengths that contradict each other, cookies."""

from __future__ import annotations

import asyncio
import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from stream_app.pipeline.media.fetch import MediaFetcher
from stream_app.pipeline.posts.post import MediaLink
from stream_app.settings import MediaSettings

_OUT = io.BytesIO()
Image.new("RGB", (320, 200), "red").save(_OUT, "JPEG")
PHOTO = _OUT.getvalue()
OK = b"HTTP/1.1 200 OK\r\n"
WHOLE = b"Content-Length: %d\r\n\r\n%b" % (len(PHOTO), PHOTO)
CHUNK = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(PHOTO), PHOTO)


@pytest.fixture
async def answers():
    """``await answers(head, unit)``: the outcome of fetching from a host that says ``head``, then ``unit`` for ever."""
    servers, requests = [], []

    async def fetch(head: bytes, unit: bytes = b"", paths: int = 1):
        async def serve(reader, writer):
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while True:
                    requests.append(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(head)
                    while unit:
                        writer.write(unit)
                        await writer.drain()
            writer.close()

        servers.append(await asyncio.start_server(serve, "127.0.0.1", 0))
        port = servers[-1].sockets[0].getsockname()[1]
        limits = MediaSettings(allowed_private=("127.0.0.1/32",), allowed_ports=(port,), deadline_s=3.0)
        async with MediaFetcher(limits, np.asarray) as fetcher:
            for number in range(paths):
                (outcome,) = await fetcher.fetch([MediaLink(url=f"http://127.0.0.1:{port}/{number}")])
        return outcome, requests

    yield fetch
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (b"HTTP/1.1 200 ", b"a" * 65536),
        (OK, b"a" * 65536),
        (OK + b"X: ", b"a" * 65536),
        (OK, b"X-Many: 1\r\n" * 4000),
        (OK + CHUNK + b"0\r\n", b"X-Trailer: 1\r\n" * 4000),
        (OK + CHUNK + b"0\r\nX: ", b"a" * 65536),
    ],
    ids=["status line", "header name", "header value", "headers", "trailers", "trailer"],
)
async def test_an_endless_head_is_given_up_at_once(answers, head, unit):
    outcome, _ = await answers(head, unit)
    assert outcome.status == "failed"  # "late" would say that it was heard out until the deadline


@pytest.mark.parametrize(
    ("head", "unit"),
    [
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5;", b"a" * 4096),
        (OK + CHUNK, b"1\r\n\0\r\n" * 100),
    ],
    ids=["chunk extension", "chunks of a byte"],
)
async def test_what_has_no_length_ends_with_the_deadline(answers, head, unit):
    outcome, _ = await answers(head, unit)
    assert outcome.status == "late"


async def test_interim_answers_are_heard_out_but_not_for_ever(answers):
    hint = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
    outcome, _ = await answers(hint * 16 + OK + WHOLE, paths=3)
    assert outcome.status == "used"
    for unit in (hint * 1000, b"HTTP/1.1 100 Continue\r\n\r\n" * 100):
        outcome, _ = await answers(b"", unit)
        assert (outcome.status, "interim answers" in outcome.reason) == ("failed", True)
    outcome, _ = await answers(hint * 17 + OK + WHOLE)
    assert outcome.status == "failed"


@pytest.mark.parametrize(
    "head",
    [
        PHOTO,
        b"HTTP/1.1 206 Partial Content\r\n" + WHOLE,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        OK + b"Content-Length: -5\r\n\r\n",
        OK + b"Content-Length: %b\r\n\r\n" % (b"9" * 4000),
        OK + b"Content-Length: 5\r\n" + CHUNK + b"0\r\n\r\n",
        OK + b"\x1b[2J: 1\r\n\r\n",
        b"HTTP/1.1 200 \x1b]0;mine\x07\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=["0.9", "206", "101", "negative", "huge", "two lengths", "escape in a header", "escape in the status"],
)
async def test_a_broken_answer_is_told_in_one_printable_line(answers, head):
    outcome, _ = await answers(head)
    assert outcome.status in ("failed", "unsupported")
    assert outcome.reason.isprintable()


async def test_cookies_are_never_sent_back(answers):
    outcome, requests = await answers(OK + b"Set-Cookie: seen=1; Path=/\r\n" + WHOLE, paths=3)
    assert outcome.status == "used"
    assert len(requests) == 3
    assert not any(b"cookie" in request.lower() for request in requests)
