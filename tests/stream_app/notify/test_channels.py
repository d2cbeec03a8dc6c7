"""Every channel against a server on loopback that reads it as the real one would."""

from __future__ import annotations

import asyncio
import base64
import email.policy
import json
import re
import socket
import ssl
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
import standardwebhooks
import trustme
from aiohttp import web
from aiosmtpd.smtp import SMTP
from apprise.plugins.slack import NotifySlack
from apprise.plugins.telegram import NotifyTelegram
from hypothesis import given
from hypothesis import strategies as st

from stream_app.notify.channels import NotNowError, RefusedError, channel_of
from stream_app.notify.notice import Notice
from stream_app.notify.text import harmless
from stream_app.settings import NotifyChannel

NOW = datetime(2026, 3, 14, 9, 0, tzinfo=UTC)
HOSTILE = (
    "@channel <!here> [free](https://evil.example) ![x](http://evil.example/p.png) <b>a & b</b> *c* www.evil.example"
)
SECRET = "whsec_" + base64.b64encode(b"a secret of the operator").decode()


def notice(**changes):
    text = harmless(HOSTILE)
    made = {
        "key": "desk/i1/3",
        "channel": "desk",
        "rule": "r",
        "kind": "incident",
        "subject": "i1",
        "title": f"Severe: {text}",
        "lines": (text, "https://desk.example/?incident=i1"),
        "at": NOW,
        "due": NOW,
    }
    return Notice(**made | changes)


@asynccontextmanager
async def receiving(*answers, tls=None):
    """A server that keeps what it gets and gives ``answers`` in turn, the last for good; yields port and calls."""
    calls, left = [], list(answers or [web.json_response({"ok": True})])

    async def take(request):
        calls.append((request.path, dict(request.headers), await request.read()))
        answer = left.pop(0) if len(left) > 1 else left[0]
        return web.Response(status=answer.status, text=answer.text, headers=dict(answer.headers))

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1], calls
    finally:
        await runner.cleanup()


async def tell(settings, *notices, delivery="desk/i1/3"):
    async with aiohttp.ClientSession() as session:
        await channel_of(NotifyChannel(name="desk", **settings), session).tell(delivery, notices or [notice()])


async def test_a_webhook_is_signed_so_that_the_standards_own_library_takes_it():
    async with receiving() as (port, calls):
        await tell({"webhook": f"http://127.0.0.1:{port}/hook", "secret": SECRET})
        await tell({"webhook": f"http://127.0.0.1:{port}/hook", "secret": SECRET})
    (_, headers, body), (_, again, same) = calls
    said = standardwebhooks.Webhook(SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
    with pytest.raises(standardwebhooks.WebhookVerificationError):
        standardwebhooks.Webhook(SECRET).verify(body + b" ", {n.lower(): v for n, v in headers.items()})
    assert (said["specversion"], said["id"], said["data"]["notices"][0]["title"]) == (
        "1.0",
        "desk/i1/3",
        notice().title,
    )
    assert headers["Idempotency-Key"] == again["Idempotency-Key"] == '"desk/i1/3"'
    assert same == body, "what is sent again is the same to the byte"


async def test_without_a_secret_nothing_is_signed_and_a_plain_text_is_a_secret_too():
    async with receiving() as (port, calls):
        await tell({"webhook": f"http://127.0.0.1:{port}/"})
        await tell({"webhook": f"http://127.0.0.1:{port}/", "secret": "just words"})
    assert "webhook-signature" not in {name.lower() for name in calls[0][1]}
    key = "whsec_" + base64.b64encode(b"just words").decode()
    standardwebhooks.Webhook(key).verify(calls[1][2], {name.lower(): value for name, value in calls[1][1].items()})


@pytest.mark.parametrize(
    ("status", "headers", "raised", "after"),
    [
        (500, {}, NotNowError, None),
        (429, {"Retry-After": "7"}, NotNowError, 7.0),
        (503, {"Retry-After": "1e99"}, NotNowError, 3600.0),
        (503, {"Retry-After": "nan"}, NotNowError, None),
        (408, {}, NotNowError, None),
        (404, {}, RefusedError, None),
        (302, {"Location": "http://127.0.0.1:1/"}, RefusedError, None),
    ],
    ids=str,
)
async def test_an_answer_says_whether_to_try_again(status, headers, raised, after):
    async with receiving(web.Response(status=status, headers=headers, text="because")) as (port, calls):
        with pytest.raises(raised, match=f"answered {status} because") as told:
            await tell({"webhook": f"http://127.0.0.1:{port}/"})
    assert getattr(told.value, "after_s", None) == after
    assert len(calls) == 1


async def test_no_answer_is_a_reason_to_try_again():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        with pytest.raises(NotNowError):
            await tell({"webhook": f"http://127.0.0.1:{closed.getsockname()[1]}/", "timeout_s": 2})


def no_mention_link_or_picture(text):
    assert not re.search(r"(?<!\w)@channel|<!here>|\]\(|!\[|<b>a|<img|https?://evil|www\.evil", text), text


async def test_mattermost_gets_words_that_call_nobody():
    async with receiving() as (port, calls):
        await tell({"apprise": f"mmost://127.0.0.1:{port}/abcdefghijklmnopqrstuvwxyz"})
    said = json.loads(calls[0][2])
    no_mention_link_or_picture(said["text"].replace("https://desk.example", ""))
    assert "https://desk.example/?incident=i1" in said["text"].replace("\\", ""), "our own link stays one"


async def test_slack_gets_words_that_call_nobody(monkeypatch):
    async with receiving(web.Response(text="ok")) as (port, calls):
        monkeypatch.setattr(NotifySlack, "webhook_url", f"http://127.0.0.1:{port}/services")
        await tell({"apprise": "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/"})
    assert calls[0][0].startswith("/services/T1JJ3T3L2")
    said = calls[0][2].decode()
    no_mention_link_or_picture(json.dumps(json.loads(said), ensure_ascii=False))
    assert "<!" not in said


async def test_teams_gets_words_that_call_nobody():
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    async with receiving(web.Response(status=202), tls=tls) as (port, calls):
        await tell({"apprise": f"workflows://127.0.0.1:{port}/643a8b03b0bd4ea78b0a/sig-nature/?verify=no"})
    said = json.dumps(json.loads(calls[0][2])["attachments"][0]["content"]["body"], ensure_ascii=False)
    no_mention_link_or_picture(said.replace("https://desk.example", ""))


async def test_telegram_gets_words_that_call_nobody(monkeypatch):
    async with receiving(web.json_response({"ok": True, "result": []})) as (port, calls):
        monkeypatch.setattr(NotifyTelegram, "notify_url", f"http://127.0.0.1:{port}/bot")
        await tell({"apprise": "tgram://123456789:abcdefg_hijklmnop/12315544/"})
    said = json.loads(calls[-1][2])
    no_mention_link_or_picture(said["text"].replace("https://desk.example", ""))


class _Box:
    def __init__(self):
        self.mails = []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name  # noqa: N802 - aiosmtpd's name
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 OK"


async def test_mail_gets_through_as_text():
    box = _Box()
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(box), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        await tell({"apprise": f"mailto://127.0.0.1:{port}?from=cs@desk.example&to=duty@desk.example&mode=insecure"})
    (mail,) = box.mails
    assert mail["To"] == "duty@desk.example"
    assert "Severe" in mail["Subject"]
    body = mail.get_body(("plain", "html")).get_content()
    no_mention_link_or_picture(body.replace("https://desk.example", ""))


async def test_a_chat_that_does_not_take_it_is_tried_again():
    async with receiving(web.Response(status=500)) as (port, _):
        with pytest.raises(NotNowError, match="Apprise"):
            await tell({"apprise": f"json://127.0.0.1:{port}/"})


def test_an_address_that_cannot_be_read_is_told_with_its_name():
    with pytest.raises(ValueError, match="channel 'desk'"):
        asyncio.run(tell({"apprise": "nosuch://x"}))
    with pytest.raises(ValueError, match="channel 'desk'"):
        asyncio.run(tell({"webhook": "http://127.0.0.1/", "secret": "whsec_???"}))


@given(
    st.text() | st.lists(st.sampled_from(["@", "!", "[", "](", "<", "http://", "a", "www.", "#", "\n"])).map("".join)
)
def test_whatever_strangers_write_calls_nobody_and_links_nowhere(text):
    line = harmless(text)
    assert not re.search(r"@\w|<[!@#]\w|\]\(|!\[|://|www\.", line, re.IGNORECASE)
    assert "".join(each for each in line if each not in "\u200b\u200c\u200d").isprintable()
