"""RabbitMQ: a durable quorum queue, publisher confirms, up to eight channels. A batch is confirmed message by message,
all of it under way at once; of up to `count` taken messages, the ack of the last one is for all."""

from __future__ import annotations

import asyncio
from itertools import count as counting
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

QUEUE = "bench"
CHANNELS_MAX = 8
LAST_SECONDS = 0.1
"""How long a task waits for a batch to fill up: it matters for the last one alone."""


class DRIVER:
    async def open(self, address: str, tasks: int) -> None:
        self._connection = await aio_pika.connect(address)
        opening = (self._connection.channel(publisher_confirms=True) for _ in range(min(tasks, CHANNELS_MAX)))
        self._channels: list[AbstractChannel] = list(await asyncio.gather(*opening))
        self._run = uuid4().hex[:12]
        self._numbers = counting()
        self._arrived: dict[int, asyncio.Queue[AbstractIncomingMessage]] = {}

    async def prepare(self) -> None:
        await self._channels[0].declare_queue(QUEUE, durable=True, arguments={"x-queue-type": "quorum"})

    async def send(self, number: int, payload: str) -> str:
        id = f"{self._run}-{next(self._numbers)}"
        message = aio_pika.Message(
            payload.encode(), message_id=id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT, content_type="text/plain"
        )
        exchange = self._channels[number % len(self._channels)].default_exchange
        await exchange.publish(message, routing_key=QUEUE)
        return id

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        return list(await asyncio.gather(*(self.send(number, payload) for payload in payloads)))

    async def take(self, number: int, count: int) -> list[str]:
        if number not in self._arrived:
            await self._consume(number, count)
        arrived = self._arrived[number]
        messages: list[AbstractIncomingMessage] = []
        try:
            while len(messages) < count:
                async with asyncio.timeout(LAST_SECONDS):
                    messages.append(await arrived.get())
        except TimeoutError:
            pass
        if messages:
            await messages[-1].ack(multiple=True)
        return [message.message_id or "" for message in messages]

    async def _consume(self, number: int, count: int) -> None:
        self._arrived[number] = asyncio.Queue()
        channel = self._channels[number % len(self._channels)]
        await channel.set_qos(prefetch_count=2 * count)
        queue = await channel.get_queue(QUEUE, ensure=False)
        await queue.consume(self._arrived[number].put)

    async def close(self) -> None:
        await self._connection.close()
