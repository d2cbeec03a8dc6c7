"""Addresses as strings, and the judgement at the socket."""

from __future__ import annotations

import contextlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.pipeline.media.addresses import parse_networks
from stream_app.pipeline.media.connect import (
    MAX_URL,
    SocketGuard,
    ThreadResolver,
    check_url,
    is_compressed,
    open_session,
)
from stream_app.pipeline.media.outcome import NotUsedError
from stream_app.settings import MediaSettings

PORTS = (80, 443)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/a.jpg",
        "file:///etc/passwd",
        "gopher://example.org/",
        "data:image/png;base64,AAAA",
        "//example.org/a.jpg",
        "a.jpg",
        "",
        "http://",
        "http:///a.jpg",
        "http://user@example.org/a.jpg",
        "http://user:secret@example.org/a.jpg",
        "http://:@example.org/a.jpg",
        "http://example.org:22/a.jpg",
        "http://example.org:8080/a.jpg",
        "http://example.org:99999/a.jpg",
        "http://[::1/a.jpg",
        "https://example.org/" + "a" * MAX_URL,
    ],
)
def test_addresses_that_are_refused_unasked(url):
    with pytest.raises(NotUsedError) as caught:
        check_url(url, PORTS)
    assert caught.value.status == "refused"
    assert "secret" not in caught.value.reason


@pytest.mark.parametrize(
    "url", ["http://example.org/a.jpg", "https://example.org:443/a.jpg?b=c", "https://münchen.example/"]
)
def test_ordinary_addresses_pass(url):
    assert check_url(url, PORTS).scheme in url


def test_a_fragment_is_not_sent():
    assert str(check_url("https://example.org/a.jpg#x", PORTS)) == "https://example.org/a.jpg"


@given(url=st.text(max_size=60))
def test_any_text_is_an_address_or_refused(url):
    for each in (url, f"http://{url}/"):
        with contextlib.suppress(NotUsedError):
            assert check_url(each, PORTS).scheme in ("http", "https")


def info(address: str):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return family, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (address, 80)


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "64:ff9b::a00:1"]
)
def test_the_guard_makes_no_socket_for_a_refused_address(address):
    with pytest.raises(PermissionError, match="RFC"):
        SocketGuard(())(info(address))


@pytest.mark.parametrize(("address", "allowed"), [("93.184.216.34", ()), ("127.0.0.1", ("127.0.0.0/8",))])
def test_the_guard_makes_a_socket_and_dials_nothing(address, allowed):
    with SocketGuard(parse_networks(allowed))(info(address)) as made:
        assert made.type == socket.SOCK_STREAM
        with pytest.raises(OSError):
            made.getpeername()


def test_a_resolver_that_answers_with_a_name_gets_no_socket():
    with pytest.raises(ValueError):
        SocketGuard(())(info("localhost"))


@pytest.mark.parametrize("host", ["localhost", "0x7f000001", "0x7f.1", "017700000001"])
async def test_however_loopback_is_spelled_the_resolver_gives_the_guard_its_address(host):
    resolver = ThreadResolver(1)
    found = await resolver.resolve(host, 80)
    await resolver.close()
    assert {each["host"] for each in found} <= {"127.0.0.1", "::1"}


async def test_the_session_takes_nothing_from_its_surroundings(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with open_session(MediaSettings()) as session:
        assert session.trust_env is False
        assert session.auto_decompress is False
        assert session.headers["Accept-Encoding"] == "identity"


def test_a_wrong_exemption_is_named():
    with pytest.raises(ValueError, match="nonsense"):
        parse_networks(MediaSettings(allowed_private=("nonsense",)).allowed_private)


@pytest.mark.parametrize(
    ("codings", "compressed"),
    [
        ([], False),
        ([""], False),
        (["  "], False),
        (["identity"], False),
        (["aws-chunked"], False),
        (["aws-chunked,"], False),
        (["AWS-chunked", "Identity"], False),
        (["gzip"], True),
        (["aws-chunked,gzip"], True),
        (["identity", "br"], True),
    ],
)
def test_only_what_changes_the_body_is_compression(codings, compressed):
    assert is_compressed(codings) is compressed
