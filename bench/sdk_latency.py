"""From the moment an enqueue was due to the start of its handler, through the SDK, at 2,000 messages a second.

Open loop: messages are sent when they are due, whether or not earlier ones were answered, and a late send counts
against the result.
"""

from __future__ import annotations

import asyncio
import time

from bench.figure import Figure, Scale
from bench.generator import check_ledger
from bench.measured import Measured
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues, Message

QUEUE = "latency"
RATE = 2000
WARM_UP_SECONDS = 1
SHARES = (0.5, 0.9, 0.99, 0.999)


async def measure(scale: Scale, seed: int) -> Measured:
    """One run; producer and consumer have a client each."""
    with LocalServer() as server:
        async with (
            AsyncQueues(server.api_key, url=server.url) as sender,
            AsyncQueues(server.api_key, url=server.url) as receiver,
        ):
            await sender.create(QUEUE)
            latencies = await run(sender, receiver, scale.latency_seconds)
    ordered = sorted(latencies)
    p50, p99 = (ordered[int(len(ordered) * share)] * 1000 for share in (0.50, 0.99))
    figures = [
        Figure(f"enqueue to handler, SDK, {RATE:,}/s, p50", p50, "ms", 2, 1, at_most=True),
        Figure(f"enqueue to handler, SDK, {RATE:,}/s, p99", p99, "ms", 8, 4, at_most=True),
    ]
    curve = {f"p{share * 100:g} ms": round(1000 * ordered[int(len(ordered) * share)], 2) for share in SHARES}
    return Measured(figures, [{"name": "Hanzo Queues, Python SDK", "messages": len(ordered), **curve}])


async def run(sender: AsyncQueues, receiver: AsyncQueues, seconds: float) -> list[float]:
    """Seconds from due to handled, of every message after the warm-up. Raises LedgerBroken."""
    handled: list[tuple[str, float, float]] = []
    total = int(RATE * (seconds + WARM_UP_SECONDS))

    @receiver.consumer(QUEUE, concurrency=64)
    async def note(message: Message) -> None:
        handled.append((message.id, message.payload["due"], time.monotonic()))
        if len(handled) == total:
            receiver.stop()

    consuming = asyncio.create_task(receiver.run())
    ids = await send(sender, total)
    await asyncio.wait_for(consuming, 60)
    check_ledger(ids, [id for id, _, _ in handled])
    return [at - due for _, due, at in handled[RATE * WARM_UP_SECONDS :]]


async def send(sender: AsyncQueues, total: int) -> list[str]:
    """Sends each message when it is due, and returns their ids."""
    started = time.monotonic() + 0.5
    sends = []
    for number in range(total):
        due = started + number / RATE
        if (ahead := due - time.monotonic()) > 0:
            await asyncio.sleep(ahead)
        sends.append(asyncio.create_task(sender.enqueue(QUEUE, {"due": due, "fill": "x" * 200})))
    return [result.id for result in await asyncio.gather(*sends)]
