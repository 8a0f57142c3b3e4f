"""From the moment an enqueue was due to the start of its handler, through the SDK, at 2,000 messages a second.

Open loop: messages are sent when they are due, whether or not earlier ones were answered, and a late send counts
against the result: how late they were is told beside it.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing

import uvloop

from bench.figure import Figure, Scale
from bench.generator import check_ledger
from bench.measured import Measured
from bench.ticks import ticks
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Message

QUEUE = "latency"
RATE = 2000
WARM_UP_SECONDS = 1
SHARES = (0.5, 0.9, 0.99, 0.999)


async def measure(scale: Scale, seed: int) -> Measured:
    """One run, on uvloop as the clients of peers are."""
    with LocalServer() as server:
        running = run(server.url, server.api_key, scale.latency_seconds)
        latencies, late = await asyncio.to_thread(uvloop.run, running)
    p50, p99 = (percentile_ms(latencies, share) for share in (0.50, 0.99))
    figures = [
        Figure(f"enqueue to handler, SDK, {RATE:,}/s, p50", p50, "ms", 2, 1, at_most=True),
        Figure(f"enqueue to handler, SDK, {RATE:,}/s, p99", p99, "ms", 8, 4, at_most=True),
    ]
    curve = {f"p{share * 100:g} ms": percentile_ms(latencies, share) for share in SHARES}
    row = {"name": "Hanzo Queues, Python SDK", "messages": len(latencies), **curve}
    return Measured(figures, [row | {"sent late, p50 ms": percentile_ms(late, 0.5)}])


def percentile_ms(seconds: list[float], share: float) -> float:
    return round(1000 * sorted(seconds)[int(len(seconds) * share)], 2)


async def run(url: str, api_key: str, seconds: float) -> tuple[list[float], list[float]]:
    """Seconds from due to handled, and from due to sent, of every message after the warm-up; producer and consumer have
    a client each. Raises LedgerBroken."""
    handled: list[tuple[str, float, float]] = []
    total = int(RATE * (seconds + WARM_UP_SECONDS))
    async with AsyncQueues(api_key, url=url) as sender, AsyncQueues(api_key, url=url) as receiver:
        await sender.create(QUEUE)

        @receiver.consumer(QUEUE, concurrency=64)
        async def note(message: Message) -> None:
            handled.append((message.id, message.payload["due"], time.monotonic()))
            if len(handled) == total:
                receiver.stop()

        consuming = asyncio.create_task(receiver.run(signals=False))
        ids, late = await send(sender, total)
        await asyncio.wait_for(consuming, 60)
    check_ledger(ids, [id for id, _, _ in handled])
    warm = RATE * WARM_UP_SECONDS
    return [at - due for _, due, at in handled[warm:]], late[warm:]


async def send(sender: AsyncQueues, total: int) -> tuple[list[str], list[float]]:
    """Sends each message when it is due; their ids, and by how many seconds each was late. Keeps no call that is over:
    thousands of them are what a collector would look through while messages wait."""
    ids: list[str] = []
    late: list[float] = []

    async def one(due: float) -> None:
        late.append(time.monotonic() - due)
        ids.append((await sender.enqueue(QUEUE, {"due": due, "fill": "x" * 200})).id)

    async with asyncio.TaskGroup() as sends, aclosing(ticks(RATE, after=0.5)) as due_instants:
        async for due in due_instants:
            sends.create_task(one(due))
            if (total := total - 1) == 0:
                break
    return ids, late
