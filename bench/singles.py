"""Single calls from 64 callers at once, 1 KB: over HTTP, through the SDK, and every peer through its client."""

from __future__ import annotations

from bench.figure import Figure, Scale
from bench.measured import Measured
from bench.peers import contestants as of
from bench.peers.contestants import Contestant
from bench.peers.rounds import Load, compare

LOAD = Load(tasks=64, batch=1, payload_bytes=1024)

RATIOS: list[tuple[str, Contestant, Contestant, float | None, float | None]] = [
    ("single enqueue over HTTP, to a route that does nothing", of.HANZO_HTTP, of.NOOP, 0.75, 0.95),
    ("single calls through the SDK, to a route that does nothing", of.HANZO_SDK, of.NOOP, 2, 5),
    ("single calls through the SDK, to RabbitMQ quorum", of.HANZO_SDK, of.RABBITMQ_QUORUM, 4, 8),
    ("single calls through the SDK, to PGMQ", of.HANZO_SDK, of.PGMQ, 4, 8),
    ("single calls through the SDK, to Redis Streams, always", of.HANZO_SDK, of.REDIS_STREAMS, 1.2, 2.5),
    ("single calls through the SDK, to JetStream with fsync", of.HANZO_SDK, of.JETSTREAM, None, None),
    (
        "the same in the page cache, to Redis Streams, everysec",
        of.HANZO_RELAXED_SDK,
        of.REDIS_STREAMS_RELAXED,
        None,
        None,
    ),
    ("the same in the page cache, to JetStream", of.HANZO_RELAXED_SDK, of.JETSTREAM_RELAXED, None, None),
    ("fsync to page cache, HTTP, 64 connections", of.HANZO_HTTP, of.HANZO_RELAXED_HTTP, 0.8, 0.95),
]


async def measure(scale: Scale, seed: int) -> Measured:
    """All of them, in turn."""
    comparison = await compare((of.NOOP, *of.STORING), LOAD, scale, seed)
    figures = []
    for name, contestant, reference, floor, aim in RATIOS:
        ratio = comparison.ratio(contestant, reference)
        if ratio is not None:
            figures.append(Figure(name, ratio, "x", floor, aim))
    rows = [result.json() for result in comparison.results.values()]
    return Measured(figures, rows, comparison.skipped)
