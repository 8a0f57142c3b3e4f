"""Consumers of batches against a real server: each message has its own outcome, and none is lost on the way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Handled, Message, Reject, Retry


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with LocalServer(environment={"MAX_BATCH_SIZE": "40"}) as running:
        yield running


async def test_every_message_has_its_own_outcome(server: LocalServer) -> None:
    """Batches larger than the server's, so that each takes several requests to fill and to settle."""
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create("rows", {"dead_letter_queue": "rows-dead", "backoff": {"initial": 0.01}})
        handled: Counter[int] = Counter()
        sizes: list[int] = []
        ends: Counter[str] = Counter()
        all_done = asyncio.Event()

        def on_handled(event: Handled) -> None:
            ends[event.outcome] += 1
            if ends["acked"] + ends["rejected"] == 200:
                all_done.set()

        @queues.batch_consumer("rows", batch_size=60, concurrency=2, on_error=lambda *_: None, on_handled=on_handled)
        async def insert(messages: list[Message]) -> list[Any]:
            sizes.append(len(messages))
            return [await outcome(message) for message in messages]

        async def outcome(message: Message) -> Any:
            handled[message.payload] += 1
            if message.payload % 10 == 3:
                return Reject("never")
            if message.payload % 10 == 7 and message.attempts == 0:
                return Retry(0.01)
            return None

        await asyncio.gather(*(queues.enqueue("rows", number) for number in range(200)))
        run = asyncio.create_task(queues.run())
        await asyncio.wait_for(all_done.wait(), 60)
        queues.stop()
        await run
        assert ends == {"acked": 180, "rejected": 20, "retried": 20}
        assert handled == {number: 2 if number % 10 == 7 else 1 for number in range(200)}
        assert 40 < max(sizes) <= 60
        counts = (await queues.get("rows")).counts
        assert (counts.ready, counts.delayed, counts.leased) == (0, 0, 0)
        assert (await queues.get("rows-dead")).counts.ready == 20


async def test_a_batch_is_what_came_within_its_wait(server: LocalServer) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create("slow")
        batches: asyncio.Queue[list[int]] = asyncio.Queue()

        @queues.batch_consumer("slow", batch_size=3, batch_wait=30)
        async def work(messages: list[Message]) -> None:
            batches.put_nowait([message.payload for message in messages])

        run = asyncio.create_task(queues.run())
        for number in range(3):
            await queues.enqueue("slow", number)
            assert batches.empty()
        assert await asyncio.wait_for(batches.get(), 20) == [0, 1, 2]
        queues.stop()
        await run
