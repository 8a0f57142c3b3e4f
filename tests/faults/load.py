"""Load that survives: producers and consumers that go on while servers die, and write down what they were told.

Of the producers some use ordering keys and dedup ids, some dedup ids alone, so that the client may repeat their
enqueues, and some neither: an enqueue of those without an answer is written down as unknown. Consumers ack, and now and
then nack, release or forget. Owns no server and kills nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TypeVar

from hanzo_queues import AsyncQueues, Message
from hanzo_queues.client.retry import is_transient
from hanzo_queues.errors import LeaseLost, QueuesError
from tests.faults.ledger import Delivery, Ledger, Repeat

QUEUE = "ledger"
CONFIG = {
    "visibility_timeout": 3, "max_retries": 1000, "backoff": {"initial": 0, "max": 0}, "dedup_window": 86_400,
}  # fmt: skip
PRODUCERS = 8
WITH_ORDERING_KEYS = 3
WITH_DEDUP_IDS = 6
CONSUMERS = 4
PACE_SECONDS = 0.04
FILL = "x" * 4000
RETRIES_MAX = 1000
FORGOTTEN_EVERY = 40
"""One first delivery of so many is neither acked nor nacked: its lease ends, and it comes again."""
NACKED_EVERY = 30
RELEASED_EVERY = 50
REPEATED_EVERY = 15
"""One enqueue of so many is that of a message some time ago again."""
REPEATED_AGO = 40
T = TypeVar("T")


async def persist(call: Callable[[], Awaitable[T]]) -> T:
    """A client gives up what is away for ten seconds; this one does not."""
    while True:
        try:
            return await call()
        except QueuesError as error:
            if not is_transient(error):
                raise


class Load:
    """`async with Load(url, key) as load:` produces and consumes until `drain`."""

    def __init__(self, url: str, api_key: str) -> None:
        self.ledger = Ledger()
        self._queues = AsyncQueues(api_key, url=url, retries_max=RETRIES_MAX, timeout=10)
        self._handled = count(1)
        self._producing = True
        self._consuming = True
        self._producers: list[asyncio.Task[None]] = []
        self._consumers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Load:
        await self._queues.create(QUEUE, CONFIG)
        self._producers = [asyncio.create_task(self._produce(number)) for number in range(PRODUCERS)]
        self._consumers = [asyncio.create_task(self._consume()) for _ in range(CONSUMERS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in (*self._producers, *self._consumers):
            task.cancel()
        await asyncio.gather(*self._producers, *self._consumers, return_exceptions=True)
        await self._queues.close()

    async def progress(self, count: int) -> None:
        """Returns when so many enqueues more were acknowledged, or a producer or consumer has ended."""
        until = len(self.ledger.acknowledged) + count
        tasks = self._producers + self._consumers
        while len(self.ledger.acknowledged) < until and not any(task.done() for task in tasks):  # noqa: ASYNC110 - counted
            await asyncio.sleep(PACE_SECONDS)

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
        counts = (await persist(lambda: self._queues.get(QUEUE))).counts
        return counts.ready + counts.blocked + counts.delayed + counts.leased + counts.dead

    async def _produce(self, producer: int) -> None:
        ordering_key = f"lane{producer}" if producer < WITH_ORDERING_KEYS else None
        for place in count():
            if not self._producing:
                return
            key = f"m{producer}-{place}"
            if ordering_key is not None:
                self.ledger.places[key] = (ordering_key, place)
            await self._enqueue(key, producer < WITH_DEDUP_IDS, ordering_key)
            if place % REPEATED_EVERY == REPEATED_EVERY - 1 and producer < WITH_DEDUP_IDS:
                await self._enqueue(f"m{producer}-{max(0, place - REPEATED_AGO)}", True, ordering_key)
            await asyncio.sleep(PACE_SECONDS)  # a rate, not a wait for anything

    async def _enqueue(self, key: str, has_dedup_id: bool, ordering_key: str | None) -> None:
        dedup_id = key if has_dedup_id else None
        payload = {"key": key, "fill": FILL}
        while True:
            try:
                result = await self._queues.enqueue(QUEUE, payload, dedup_id=dedup_id, ordering_key=ordering_key)
                break
            except QueuesError as error:
                if not is_transient(error) and has_dedup_id:
                    raise
                if error.outcome != "none" and not has_dedup_id:
                    self.ledger.unknown.add(key)
                    return
        if key in self.ledger.acknowledged:
            self.ledger.repeats.append(Repeat(key, result.id, result.duplicate))
        self.ledger.acknowledged.setdefault(key, result.id)

    async def _consume(self) -> None:
        while self._consuming:
            for message in await persist(lambda: self._queues.receive(QUEUE, max_messages=20, wait_time=1)):
                until = message.leased_until.timestamp()
                delivery = Delivery(message.id, message.deliveries, message.attempts, time.time(), until)
                assert message.payload["fill"] == FILL
                self.ledger.deliveries.setdefault(message.payload["key"], []).append(delivery)
                await self._settle(message, delivery)

    async def _settle(self, message: Message, delivery: Delivery) -> None:
        number = next(self._handled) if message.deliveries == 1 else 1
        if number % FORGOTTEN_EVERY == 0:
            return
        try:
            if number % NACKED_EVERY == 0:
                delivery.end = "nack unknown"  # the client repeats it: how the first try ended is not told
                await persist(lambda: self._queues.nack(message))
                delivery.end = "nacked"
            elif number % RELEASED_EVERY == 0:
                delivery.end = "release unknown"
                await persist(lambda: self._queues.release(message))
            else:
                delivery.end = "ack unknown"
                await persist(lambda: self._queues.ack(message))
                delivery.end = "acked"
        except LeaseLost:  # it came too late: it will be delivered again
            if delivery.end == "ack unknown":
                delivery.end = "left"
