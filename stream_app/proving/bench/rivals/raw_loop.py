"""The least one can do with aiokafka: take many, parse JSON, send JSON. No validation, no transaction, no model."""

from __future__ import annotations

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def main(bootstrap: str, feed: str, results: str) -> None:
    """Pass posts on until killed."""
    reading = AIOKafkaConsumer(feed, bootstrap_servers=bootstrap, group_id=results, auto_offset_reset="earliest")
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer, reading as consumer:
        while True:
            for records in (await consumer.getmany(timeout_ms=200, max_records=2000)).values():
                for record in records:
                    post = json.loads(record.value)
                    await producer.send(results, json.dumps(post).encode(), key=post["id"].encode())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
