"""Receive and ack, 100 at a time, 8 connections: the rate of messages that are done."""

from __future__ import annotations

from statistics import median

from bench.batch_enqueue import QUEUE, enqueue_batches
from bench.figure import Figure, Scale
from bench.generator import Run, drain
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of filling a queue and draining it; only the draining counts."""
    drains: list[Run] = []
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            await queues.create(QUEUE)
            for _ in range(scale.rounds):
                filled = await enqueue_batches(server, scale.round_seconds / 2)
                drains.append(await drain(server, QUEUE, filled.ids))
    rate = median(run.messages_per_second for run in drains)
    details = {
        "p50 ms": round(median(run.p50_ms for run in drains), 2),
        "p99 ms": round(median(run.p99_ms for run in drains), 2),
        "messages": sum(run.messages for run in drains),
    }
    return [Figure("receive + ack, 100 x 1 KB at a time", rate, "messages/s", 50_000, details=details)]
