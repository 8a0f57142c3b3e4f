"""Load that survives: producers and consumers that go on while servers die, and write down what they were told.

Half of the messages have a dedup id, so that the client may repeat their enqueue; of the others an enqueue without an
answer is written down as unknown. Owns no server and kills nothing.
"""

from __future__ import annotations

import asyncio
import time
from itertools import count

from hanzo_queues import AsyncQueues, Message
from hanzo_queues.errors import LeaseLost, QueuesError
from tests.faults.ledger import Delivery, Ledger

QUEUE = "ledger"
CONFIG = {"visibility_timeout": 3, "max_retries": 1000, "backoff": {"initial": 0, "max": 0}}
PRODUCERS = 8
CONSUMERS = 4
PACE_SECONDS = 0.02
RETRIES_MAX = 1000
FORGOTTEN_EVERY = 40
"""One first delivery of so many is neither acked nor nacked: its lease ends, and it comes again."""


class Load:
    """`async with Load(url, key) as load:` produces and consumes until `drain`."""

    def __init__(self, url: str, api_key: str) -> None:
        self.ledger = Ledger()
        self._queues = AsyncQueues(api_key, url=url, retries_max=RETRIES_MAX, timeout=10)
        self._numbers = count()
        self._handled = count()
        self._producing = True
        self._consuming = True
        self._producers: list[asyncio.Task[None]] = []
        self._consumers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        await self._queues.create(QUEUE, CONFIG)
        self._producers = [asyncio.create_task(self._produce()) for _ in range(PRODUCERS)]
        self._consumers = [asyncio.create_task(self._consume()) for _ in range(CONSUMERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._producers, *self._consumers):
            task.cancel()
        await asyncio.gather(*self._producers, *self._consumers, return_exceptions=True)
        await self._queues.close()

    async def drain(self) -> None:
        """Stops producing, and returns when the queue is empty. Raises what ended a producer or consumer."""
        self._producing = False
        await asyncio.gather(*self._producers)
        while await self._left():  # noqa: ASYNC110 - only the server knows, and it offers no event for it
            await asyncio.sleep(0.1)
        self._consuming = False
        await asyncio.gather(*self._consumers)

    async def _left(self) -> int:
        failed = [task for task in self._consumers if task.done()]
        if failed:
            failed[0].result()
        counts = (await self._queues.get(QUEUE)).counts
        return counts.ready + counts.blocked + counts.delayed + counts.leased + counts.dead

    async def _produce(self) -> None:
        while self._producing:
            number = next(self._numbers)
            key = f"m-{number}"
            dedup_id = key if number % 2 else None
            try:
                result = await self._queues.enqueue(QUEUE, {"key": key, "fill": "x" * 200}, dedup_id=dedup_id)
            except QueuesError as error:
                if error.outcome == "none":
                    continue
                self.ledger.unknown.add(key)
            else:
                self.ledger.acknowledged[key] = result.id
            await asyncio.sleep(PACE_SECONDS)  # a rate, not a wait for anything

    async def _consume(self) -> None:
        while self._consuming:
            for message in await self._queues.receive(QUEUE, max_messages=20, wait_time=1):
                delivery = Delivery(message.id, message.deliveries, time.time(), message.leased_until.timestamp())
                self.ledger.deliveries.setdefault(message.payload["key"], []).append(delivery)
                if message.deliveries > 1 or next(self._handled) % FORGOTTEN_EVERY:
                    await self._ack(message, delivery)

    async def _ack(self, message: Message, delivery: Delivery) -> None:
        try:
            await self._queues.ack(message)
            delivery.acked = True
        except LeaseLost:
            pass  # the ack came too late: it will be delivered again
