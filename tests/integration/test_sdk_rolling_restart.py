"""Consumers of the SDK restarted one after the other, under load: no message twice, none out of its key's order."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Message
from hanzo_queues.client.queue_info import QueueCounts

CONSUMERS = 10
KEYS = 40


class Worker:
    """A program with one consumer, as a deployment starts and stops it."""

    def __init__(self, server: LocalServer, seen: defaultdict[str, list[int]]) -> None:
        self._queues = AsyncQueues(server.api_key, url=server.url)
        self.attempts = 0

        @self._queues.consumer("rolls", concurrency=5)
        async def work(message: Message) -> None:
            assert message.ordering_key is not None
            self.attempts += message.attempts
            await asyncio.sleep(0.002)
            seen[message.ordering_key].append(message.payload)

        self._run = asyncio.create_task(self._queues.run())

    async def stop(self) -> None:
        self._queues.stop()
        await self._run
        await self._queues.close()


async def test_a_rolling_restart_loses_doubles_and_reorders_nothing(server: LocalServer) -> None:
    seen: defaultdict[str, list[int]] = defaultdict(list)
    sent: defaultdict[str, list[int]] = defaultdict(list)
    rolling = True
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        # A session outlasts the test: whatever is handled in time was handed over, not waited for.
        await queues.create("rolls", {"session_timeout": 600, "visibility_timeout": 600})
        workers = [Worker(server, seen) for _ in range(CONSUMERS)]

        async def produce(key: str) -> None:
            while rolling:
                sent[key].append(len(sent[key]))
                await queues.enqueue("rolls", sent[key][-1], ordering_key=key)
                await asyncio.sleep(0.01)

        producers = [asyncio.create_task(produce(f"k{number}")) for number in range(KEYS)]
        async with asyncio.timeout(60):
            while len((await queues.get_group("rolls")).members) < CONSUMERS:
                pass  # who looks from outside can only look again
            for number, worker in enumerate(workers):
                await worker.stop()
                workers[number] = Worker(server, seen)
            rolling = False
            await asyncio.gather(*producers)
            while (await queues.get("rolls")).counts != QueueCounts():
                pass
        await asyncio.gather(*(worker.stop() for worker in workers))
        assert seen == sent
        assert sum(worker.attempts for worker in workers) == 0
        assert len((await queues.get_group("rolls")).members) == 0
    assert sum(map(len, sent.values())) > 20 * CONSUMERS
