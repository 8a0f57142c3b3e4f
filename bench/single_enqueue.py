"""Single enqueues over HTTP, 64 connections, against a route that does nothing on the same HTTP stack."""

from __future__ import annotations

from statistics import median

from bench.figure import Figure, Scale
from bench.generator import Run, drain, generate
from bench.processes import noop_server
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

QUEUE = "single"
CONNECTIONS = 64


async def measure(scale: Scale) -> list[Figure]:
    """Rounds of both, in turn, and the ratio of their medians."""
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues, noop_server() as noop_address:
            await queues.create(QUEUE)
            noops, enqueues = await alternate(scale, server, noop_address)
        drained = await drain(server, QUEUE, [id for run in enqueues for id in run.ids])
    rate = median(run.requests_per_second for run in enqueues)
    reference = median(run.requests_per_second for run in noops)
    details = {
        "enqueues/s": round(rate),
        "no-op/s": round(reference),
        "p50 ms": round(median(run.p50_ms for run in enqueues), 2),
        "p99 ms": round(median(run.p99_ms for run in enqueues), 2),
        "messages": drained.messages,
    }
    return [Figure("single enqueue, 64 connections, to no-op", rate / reference, "x", 0.60, details=details)]


async def alternate(scale: Scale, server: LocalServer, noop_address: str) -> tuple[list[Run], list[Run]]:
    """The rounds of the reference and of the product."""
    address = server.url.removeprefix("http://")
    options: dict[str, object] = {"seconds": scale.round_seconds, "connections": CONNECTIONS, "payload_bytes": 1024}
    noops: list[Run] = []
    enqueues: list[Run] = []
    for _ in range(scale.rounds):
        noops.append(await generate("noop-post", noop_address, **options))
        enqueues.append(await generate("enqueue", address, key=server.api_key, queue=QUEUE, **options))
    return noops, enqueues
