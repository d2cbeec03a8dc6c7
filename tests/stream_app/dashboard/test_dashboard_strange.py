"""Requests that no browser sends: each is refused by a number below 500, and none leaves a traceback in the log."""

import asyncio
import gzip
import json

POSTS = ("/verdicts", "/decisions")
DEEP = b'{"event":' + b"[" * 5000 + b"]" * 5000 + b"}"
HEADS = [
    "Origin: http://[",
    "Origin: http://127.0.0.1:99999999999",
    "Origin: \x7f\xff",
    "Origin: null",
    "Origin: http://{host}, http://evil.example",
    "Content-Type: application/json; charset=\xff",
    "Content-Type: application/json; charset=utf-7",
    "Content-Type: application/json; charset=undefined",
    "Content-Type: application/json; charset=idna",
    "Content-Type: application/json; charset=rot13",
    "Content-Type: application/json; charset=\x00",
    "Content-Type: ;;;=",
    "Content-Encoding: gzip",
    "Content-Encoding: br",
    "Content-Encoding: deflate, gzip",
    "Transfer-Encoding: gzip, chunked",
    "Last-Event-ID: " + "9" * 5000,
    "Expect: 100-continue",
    "Expect: nonsense",
    "Cookie: a=\xff;;;=",
    "X-Forwarded-For: " + "1," * 2000,
    "Range: bytes=-",
    "If-Modified-Since: Thu, 99 Foo 99999 00:00:00 GMT",
    "If-None-Match: " + '"' * 3000,
]
BODIES = [
    b"",
    b"null",
    b"[]",
    DEEP,
    b'{"event": "\\ud800"}',
    b'{"event": ' + b"9" * 10_000 + b"}",
    b'{"event": NaN, "incident": -Infinity}',
    b'{"event": {"a": 1}, "incident": [], "act": 1, "by": {}}',
    b'{"incident": "\\u0000", "act": {"kind": "\\ud800"}, "by": "\\ud800"}',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    gzip.compress(b"{}" * 5_000_000),
    json.dumps({"event": "e" * 12_000}).encode(),
]
PATHS = [
    "/photos/0123456789abcdef/99",
    "/photos/0123456789abcdef/" + "9" * 4000,
    "/photos/%00/0",
    "/static/..%2f..%2fetc%2fpasswd",
    "/static/%2e%2e/%2e%2e/etc/passwd",
    "/static/" + "a" * 5000,
    "/static/%ff%fe",
    "/static/%00",
    "//evil.example/",
    "/?" + "a=b&" * 1000,
    "/%",
    "http://evil.example/",
    "*",
]


async def ask(address, request: bytes) -> int:
    host, port = address.removeprefix("http://").rstrip("/").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(request)
    async with asyncio.timeout(10):
        line = await reader.readline()
    writer.close()
    return int(line.split()[1]) if line else 0


async def test_none_ends_in_a_traceback(make_bench, caplog):
    async with make_bench().serve() as address:
        host = address.removeprefix("http://").rstrip("/")
        own = f"Host: {host}\r\nConnection: close\r\n"
        wanted = {}
        for path in POSTS:
            for head in HEADS:
                name, said = head.format(host=host).split(":", 1)
                more = "" if name == "Origin" else f"Origin: http://{host}\r\n"
                text = f"POST {path} HTTP/1.1\r\n{own}{more}{name}:{said}\r\nContent-Length: 2\r\n\r\n{{}}"
                wanted[path, head[:60]] = text.encode("latin-1")
            for number, body in enumerate(BODIES):
                text = f"POST {path} HTTP/1.1\r\n{own}Origin: http://{host}\r\nContent-Length: {len(body)}\r\n\r\n"
                wanted[path, number] = text.encode() + body
        for path in PATHS:
            for method in ("GET", "HEAD", "DELETE", "FOO"):
                wanted[method, path[:60]] = f"{method} {path} HTTP/1.1\r\n{own}\r\n".encode()
        for head in HEADS:
            wanted["GET", head[:60]] = f"GET / HTTP/1.1\r\n{own}{head.format(host=host)}\r\n\r\n".encode("latin-1")
        got = {name: await ask(address, request) for name, request in wanted.items()}
    assert {name: status for name, status in got.items() if not 100 <= status < 500} == {}
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []
