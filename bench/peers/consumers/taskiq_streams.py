"""taskiq's worker on Redis Streams, in its own process as `taskiq worker --workers 1` runs it."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis
from taskiq.api import run_receiver_task
from taskiq_redis import RedisStreamBroker

from bench.peers.consumers import CONCURRENCY, PAYLOAD, Handled, main

STREAM = "taskiq"
IN_FLIGHT = 64


async def fill(address: str, expected: int) -> list[str]:
    broker = RedisStreamBroker(address, queue_name=STREAM, consumer_group_name=STREAM)
    send = broker.register_task(_nothing, task_name="note")
    await broker.startup()
    waiting = iter(range(expected))
    ids: list[str] = []

    async def enqueue() -> None:
        for number in waiting:
            await send.kiq(str(number), PAYLOAD)
            ids.append(str(number))

    await asyncio.gather(*(enqueue() for _ in range(IN_FLIGHT)))
    await broker.shutdown()
    return ids


async def work(address: str, expected: int) -> Handled:
    broker = RedisStreamBroker(address, queue_name=STREAM, consumer_group_name=STREAM)
    handled, done = Handled(expected), asyncio.Event()

    async def note(number: str, payload: str) -> None:
        if handled.note(number):
            done.set()

    broker.register_task(note, task_name="note")
    broker.is_worker_process = True
    await broker.startup()
    receiving = asyncio.create_task(run_receiver_task(broker, max_async_tasks=CONCURRENCY))
    await done.wait()
    async with Redis.from_url(address) as redis:
        while (await redis.xpending(STREAM, STREAM))["pending"]:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    receiving.cancel()
    await asyncio.wait([receiving])
    return handled


async def _nothing(number: str, payload: str) -> None: ...


if __name__ == "__main__":
    main(fill, work)
