"""Batches of 100 x 1 KB over HTTP, 8 connections, against JetStream alone, both with fsync before the answer."""

from __future__ import annotations

from statistics import median

from bench import jetstream
from bench.figure import Figure, Scale
from bench.generator import Run, drain, generate
from bench.processes import nats_server
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

QUEUE = "batch"
CONNECTIONS = 8
BATCH = 100
PAYLOAD_BYTES = 1024


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of the product, of single publishes and of atomic batches, in turn, and the ratios of their medians."""
    products: list[Run] = []
    singles: list[float] = []
    batches: list[float] = []
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues, nats_server() as nats_url:
            await queues.create(QUEUE)
            for _ in range(scale.rounds):
                products.append(await enqueue_batches(server, scale.round_seconds))
                singles.append(await jetstream.single_publishes(nats_url, scale.round_seconds, PAYLOAD_BYTES))
                batches.append(await jetstream.atomic_batches(nats_url, scale.round_seconds, PAYLOAD_BYTES, BATCH))
        drained = await drain(server, QUEUE, [id for run in products for id in run.ids])
    rate = median(run.messages_per_second for run in products)
    details = {
        "messages/s": round(rate),
        "JetStream alone/s": round(median(singles)),
        "its atomic batches/s": round(median(batches)),
        "p50 ms": round(median(run.p50_ms for run in products), 2),
        "p99 ms": round(median(run.p99_ms for run in products), 2),
        "messages": drained.messages,
    }
    to_batches = Figure("batch of 100 x 1 KB to JetStream's atomic batches", rate / median(batches), "x")
    to_singles = Figure("batch of 100 x 1 KB to JetStream alone", rate / median(singles), "x", 15, details=details)
    return [to_singles, to_batches]


async def enqueue_batches(server: LocalServer, seconds: float) -> Run:
    """One round of the product."""
    return await generate(
        "enqueue-batch",
        server.url.removeprefix("http://"),
        key=server.api_key,
        queue=QUEUE,
        seconds=seconds,
        connections=CONNECTIONS,
        batch=BATCH,
        payload_bytes=PAYLOAD_BYTES,
    )
