"""How a worker's process is set up before anything runs in it; what it then does, the other tests here say."""

import asyncio
import sys

import pytest

from stream_app.settings import ModelSettings, Settings
from stream_app.worker import service


def test_a_waiting_thread_gets_pythons_lock_soon(monkeypatch):
    found, before = [], sys.getswitchinterval()
    monkeypatch.setattr(service, "execute", lambda worker, *_: found.append((sys.getswitchinterval(), worker.loop)))
    try:
        service.run(Settings(model=ModelSettings(source="fixed")))
    finally:
        sys.setswitchinterval(before)
        asyncio.set_event_loop(None)
    ((interval_s, loop),) = found
    loop.close()
    assert interval_s == pytest.approx(1e-4, rel=0.01), "as the model's threads need it; Python's own is 5 ms"
