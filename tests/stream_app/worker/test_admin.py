"""The worker's web server, asked what nobody should ask it."""

import gzip

import aiohttp
import pytest

from stream_app.pipeline.labelling.models import SwapError
from stream_app.settings import WorkerSettings
from stream_app.worker.admin import Admin


class Replica:
    """Well, ready, and without any other model."""

    def ill(self):
        return None

    def unready(self):
        return None

    def metrics_text(self):
        return b""

    async def swap_model(self, source):
        raise SwapError(f"cannot use {source}")


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b'{"source": "nowhere"}', {}, 409),
        (b'{"source": 1}', {}, 400),
        (b'{"source": "\\ud800"}', {}, 400),
        (b'{"source": "\\u0000"}', {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 2000, {}, 400),
        (b'{"a":' * 800, {}, 400),
        (b"{}" * 4000, {}, 413),
        (b"{}", {"Content-Type": "application/json; charset=nonsense"}, 400),
        (b"{}", {"Content-Type": "application/json; charset=rot13"}, 400),
        (b"{}", {"Content-Type": "application/json; charset=idna"}, 409),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (gzip.compress(b"{}", mtime=0), {"Content-Encoding": "gzip"}, 400),
        (b"{}", {"Host": "evil.example"}, 403),
    ],
)
async def test_a_model_is_swapped_by_plain_json_from_this_machine_and_by_nothing_else(body, headers, status, caplog):
    admin = Admin(WorkerSettings(http_port=0), Replica())
    await admin.start()
    try:
        async with (
            aiohttp.ClientSession(f"http://127.0.0.1:{admin.port}") as web,
            web.post("/model", data=body, headers={"Content-Type": "application/json", **headers}) as answer,
        ):
            assert answer.status == status, await answer.text()
    finally:
        await admin.stop()
    assert [each.getMessage() for each in caplog.records if each.exc_info] == []
