"""Hanzo Queues through its Python SDK: one client for all tasks, whose calls share requests."""

from __future__ import annotations

from hanzo_queues import AsyncQueues

QUEUE = "bench"
API_KEY = "your-api-key"


class DRIVER:
    async def open(self, address: str, tasks: int) -> None:
        self._queues = AsyncQueues(API_KEY, url=address)

    async def prepare(self) -> None:
        await self._queues.create(QUEUE)

    async def send(self, number: int, payload: str) -> str:
        return (await self._queues.enqueue(QUEUE, payload)).id

    async def send_batch(self, number: int, payloads: list[str]) -> list[str]:
        results = await self._queues.enqueue_batch(QUEUE, [{"payload": payload} for payload in payloads])
        return [result.id for result in results if result.id is not None]

    async def take(self, number: int, count: int) -> list[str]:
        received = await self._queues.receive(QUEUE, max_messages=count)
        failed = await self._queues.ack_all(received)
        return [message.id for message, error in zip(received, failed, strict=True) if error is None]

    async def close(self) -> None:
        await self._queues.close()
