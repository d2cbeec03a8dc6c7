"""A Faust agent that hands each post to a transformers pipeline, one after the other, as a tutorial would."""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import aiohttp
import faust
import torch

from stream_app.proving.bench.rivals.parts import Heads, Photos, minilm_folder, result


def build(folder: str, bootstrap: str, feed: str, results: str) -> faust.App:
    """The app: one agent over ``feed``, results as JSON to ``results``; Faust makes its data folders in ``folder``."""
    from transformers import pipeline

    app = faust.App(
        results,
        broker=f"kafka://{bootstrap}",
        value_serializer="raw",
        topic_disable_leader=True,
        web_enabled=False,
        datadir=folder,
    )
    posts, out = app.topic(feed, value_type=bytes), app.topic(results, value_type=bytes)
    encode = pipeline("feature-extraction", model=minilm_folder(), framework="pt")
    photos, heads = Photos(), Heads()

    @app.agent(posts)  # type: ignore[untyped-decorator]
    async def label(stream: Any) -> None:
        async with aiohttp.ClientSession() as session:
            async for value in stream:
                post = json.loads(value)
                text = torch.tensor(encode(post["text"])).mean(1)
                seen = torch.zeros(1, 1280)
                for media in post.get("media", ()):
                    seen = photos.features([await photos.read(session, media["url"])])
                answer = heads.answers(torch.cat([text, seen], 1))[0]
                await out.send(key=post["id"].encode(), value=result(post, answer))

    return app


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="naive-faust-") as folder:
        app = build(folder, *sys.argv[1:])
        faust.Worker(app, loglevel="WARNING").execute_from_commandline()
