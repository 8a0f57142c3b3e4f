"""Memory that one more queued message of 1 KB takes: resident memory of the servers, between two depths.

Hanzo Queues keeps recent payloads in memory, up to a budget: here a small one, so that it is full at the first depth.
What its nats-server takes is counted, and told apart.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from typing import Any

from bench.consumers import SCRIPT
from bench.figure import Figure, Scale
from bench.generator import Run, generate, run_generator
from bench.measured import Measured
from bench.memory import nats_process, resident_bytes
from bench.peers import servers
from bench.peers.contestants import API_KEY, REDIS_STREAMS_RELAXED
from bench.peers.installed import Missing, environment, program, require
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

QUEUE = "bench"
PAYLOADS_KEPT = "16MiB"
FILL_SECONDS = 1.0

Fill = Callable[[int], Awaitable[int]]
"""Enqueues about so many messages, and says how many it were."""


async def measure(scale: Scale, seed: int) -> Measured:
    """Each server alone, one after the other: memory does not care for noise."""
    first, more = 2 * scale.messages, scale.depth // 2
    rows, skipped = [await hanzo(first, more)], {}
    for name, question in (("Redis Streams", redis_streams), ("BullMQ", bullmq)):
        try:
            rows.append(await question(first, more))
        except Missing as missing:
            skipped[name] = str(missing)
    bytes_of: dict[str, float] = {row["name"]: row["bytes a message"] for row in rows}
    own = bytes_of["Hanzo Queues"]
    if own <= 0:
        return Measured([], rows, {**skipped, "every figure": "what so few messages take drowns in noise"})
    figures = [
        Figure(f"memory of a queued 1 KB message, to {name}", own / value, "x", 0.1, 0.05, at_most=True)
        for name, value in bytes_of.items()
        if name != "Hanzo Queues"
    ]
    return Measured([Figure("memory of a queued 1 KB message", own, "bytes"), *figures], rows, skipped)


async def hanzo(first: int, more: int) -> dict[str, Any]:
    """The server and its nats-server."""
    with LocalServer(API_KEY, environment={"HANZO_PAYLOAD_MEMORY": PAYLOADS_KEPT}) as server:
        assert server.process is not None
        async with AsyncQueues(API_KEY, url=server.url) as queues:
            await queues.create(QUEUE)

        async def fill(count: int) -> int:
            address, added = server.url.removeprefix("http://"), 0
            while added < count:
                run = await generate("enqueue-batch", address, key=API_KEY, queue=QUEUE, seconds=FILL_SECONDS)
                added += run.messages
            return added

        own, nats = server.process.pid, nats_process(server)
        added, grown = await growth(fill, first, more, [own, nats])
    return row("Hanzo Queues", added, sum(grown)) | {"of its server": round(grown[0] / added, 1)}


async def redis_streams(first: int, more: int) -> dict[str, Any]:
    """Redis with a stream."""
    contestant = REDIS_STREAMS_RELAXED
    async with servers.redis_process(fsync=False) as (address, process):
        await contestant.prepare(address)

        async def fill(count: int) -> int:
            added = 0
            while added < count:
                added += (await contestant.send(address, 8, FILL_SECONDS, 1024, 100)).messages
            return added

        added, grown = await growth(fill, first, more, [process])
    return row("Redis Streams", added, sum(grown))


async def bullmq(first: int, more: int) -> dict[str, Any]:
    """Redis with BullMQ's structures."""
    require("bullmq")
    async with servers.redis_process(fsync=False) as (address, process):

        async def fill(count: int) -> int:
            words = [program("node"), str(SCRIPT), "fill"]
            run: Run = await run_generator(words, {"address": address, "expected": count}, environment())
            return run.messages

        added, grown = await growth(fill, first, more, [process])
    return row("BullMQ", added, sum(grown))


async def growth(fill: Fill, first: int, more: int, processes: list[int]) -> tuple[int, list[int]]:
    """How many messages came after the first ones, and by how many bytes each process grew meanwhile."""
    await fill(first)
    before = [resident_bytes(process) for process in processes]
    added = await fill(more)
    return added, [resident_bytes(process) - was for process, was in zip(processes, before, strict=True)]


def row(name: str, messages: int, grown: int) -> dict[str, Any]:
    each = round(grown / messages, 1)
    print(f"{name}: {each} bytes a message, of {messages:,}", file=sys.stderr, flush=True)
    return {"name": name, "bytes a message": each, "messages": messages}
