"""Consumers against a real server: leases, stops, and a server that is killed in the middle."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Handled, Message, Queues, Retry
from hanzo_queues.client.queue_info import QueueCounts


async def stopped(queues: AsyncQueues, run: asyncio.Task[None]) -> None:
    queues.stop()
    async with asyncio.timeout(30):
        await run


async def test_a_handler_may_take_longer_than_its_lease(server: LocalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create("slow", {"visibility_timeout": 3})
        handled: asyncio.Queue[Handled] = asyncio.Queue()
        extensions: asyncio.Queue[object] = asyncio.Queue()
        extend = queues.extend

        async def extend_and_tell(*arguments: Any) -> Any:
            end = await extend(*arguments)
            extensions.put_nowait(end)
            return end

        monkeypatch.setattr(queues, "extend", extend_and_tell)

        @queues.consumer("slow", on_handled=handled.put_nowait)
        async def work(message: Message) -> None:
            for _ in range(4):  # each a third of the lease
                await extensions.get()

        await queues.enqueue("slow", 1)
        run = asyncio.create_task(queues.run())
        event = await asyncio.wait_for(handled.get(), 20)
        await stopped(queues, run)
        assert (event.outcome, event.message.deliveries) == ("acked", 1)


async def test_a_message_taken_from_a_handler_cancels_it(server: LocalServer) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create("taken", {"visibility_timeout": 3})
        handled: asyncio.Queue[Handled] = asyncio.Queue()

        @queues.consumer("taken", on_handled=handled.put_nowait, on_error=lambda *_: None)
        async def work(message: Message) -> None:
            if message.attempts == 0:
                async with AsyncQueues(server.api_key, url=server.url) as other:
                    await other.nack(message, delay=0)
                await asyncio.Event().wait()

        await queues.enqueue("taken", 1)
        run = asyncio.create_task(queues.run())
        outcomes = [(await asyncio.wait_for(handled.get(), 20)).outcome for _ in range(2)]
        await stopped(queues, run)
        assert sorted(outcomes) == ["acked", "lease_lost"]


async def test_retry_and_stop(server: LocalServer) -> None:
    async with AsyncQueues(server.api_key, url=server.url) as queues:
        await queues.create("stops")
        started = asyncio.Event()

        @queues.consumer("stops", on_error=lambda *_: None)
        async def work(message: Message) -> None:
            if message.attempts == 0:
                raise Retry(0)
            started.set()
            await asyncio.Event().wait()

        await queues.enqueue("stops", 1)
        run = asyncio.create_task(queues.run(grace=0.05))
        await asyncio.wait_for(started.wait(), 20)
        await stopped(queues, run)
        [back] = await queues.receive("stops", wait_time=5)
        assert (back.deliveries, back.attempts) == (3, 1)


async def test_the_server_is_killed_and_comes_back() -> None:
    """What was acknowledged is handled; what was handled was acknowledged, or its answer was lost."""
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url, retries_max=30) as queues:
            await queues.create("survives", {"visibility_timeout": 5, "max_retries": 100})
            handled: Counter[int] = Counter()
            some, everything = asyncio.Event(), asyncio.Event()
            total = 600

            @queues.consumer("survives", concurrency=20, on_error=lambda *_: None)
            async def work(message: Message) -> None:
                handled[message.payload] += 1
                if len(handled) > total // 4:
                    some.set()
                if len(handled) == total:
                    everything.set()

            async def produce(first: int) -> None:
                for number in range(first, total, 4):
                    await queues.enqueue("survives", number, dedup_id=str(number))
                    if number == 400:
                        sent.set()

            sent = asyncio.Event()
            run = asyncio.create_task(queues.run())
            producers = [asyncio.create_task(produce(first)) for first in range(4)]
            async with asyncio.timeout(90):
                await some.wait()
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
                await asyncio.gather(*producers)
                await everything.wait()
                # What was handled and could not be acked, since its lease had ended, comes once more.
                while (counts := (await queues.get("survives")).counts) != QueueCounts(dead=counts.dead):  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            await stopped(queues, run)
            assert set(handled) == set(range(total))
            assert counts.dead == 0


PROGRAM = """
import sys, time
from hanzo import Queues

queues = Queues()

@queues.consumer("signals", concurrency=2)
def plain(message):
    print("started", flush=True)
    time.sleep(message.payload)
    print("finished", flush=True)

queues.run(grace=20)
print("stopped", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_handlers_finish(server: LocalServer, number: int) -> None:
    environment = {**os.environ, "HANZO_URL": server.url, "HANZO_API_KEY": server.api_key}
    with Queues(server.api_key, url=server.url) as queues:
        queues.create("signals")
        queues.enqueue("signals", 0.5)
        program = subprocess.Popen(
            [sys.executable, "-c", PROGRAM], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            assert program.stdout is not None
            assert program.stdout.readline() == "started\n"
            program.send_signal(number)
            out, err = program.communicate(timeout=20)
        finally:
            program.kill()
        assert (out, err, program.returncode) == ("finished\nstopped\n", "", 0)
        counts = queues.get("signals").counts
        assert (counts.ready, counts.leased, counts.delayed) == (0, 0, 0)
