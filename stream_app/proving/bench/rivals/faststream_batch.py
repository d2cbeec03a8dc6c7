"""A FastStream batch consumer with sentence-transformers and timm: what a careful engineer writes in a day."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

import aiohttp
import torch
from faststream import FastStream
from faststream.kafka import KafkaBroker

from stream_app.proving.bench.rivals.parts import Heads, Photos, minilm_folder, result


def build(bootstrap: str, feed: str, results: str) -> FastStream:
    """The app: batches of 64 from ``feed``, one result a post to ``results``."""
    from sentence_transformers import SentenceTransformer

    # Errors are told, posts are not; 64 results are more than a batch of 16 kB, the default, holds.
    broker = KafkaBroker(bootstrap, log_level=logging.DEBUG, max_batch_size=1024 * 1024)
    texts, photos, heads = SentenceTransformer(minilm_folder(), device="cpu"), Photos(), Heads()

    subscribe = broker.subscriber(feed, batch=True, max_records=64, group_id=results, auto_offset_reset="earliest")

    @subscribe  # type: ignore[untyped-decorator]
    async def label(posts: list[dict[str, Any]]) -> None:
        features = torch.zeros(len(posts), 384 + 1280)
        encoded = await asyncio.to_thread(texts.encode, [post["text"] for post in posts], batch_size=64)
        features[:, :384] = torch.from_numpy(encoded)
        shown = [i for i, post in enumerate(posts) if post.get("media")]
        if shown:
            async with aiohttp.ClientSession() as session:
                read = await asyncio.gather(*(photos.read(session, posts[i]["media"][0]["url"]) for i in shown))
            features[shown, 384:] = await asyncio.to_thread(photos.features, list(read))
        await _publish(broker, results, posts, heads.answers(features))

    return FastStream(broker)


async def _publish(broker: KafkaBroker, topic: str, posts: list[Any], answers: list[dict[str, list[float]]]) -> None:
    await broker.publish_batch(
        *(result(post, answer) for post, answer in zip(posts, answers, strict=True)), topic=topic
    )


if __name__ == "__main__":
    asyncio.run(build(*sys.argv[1:]).run())
