"""Batches of 100 from 8 connections, and receive and ack of 100 at a time: HTTP, SDK, and every peer."""

from __future__ import annotations

from bench.figure import Figure, Scale
from bench.measured import Measured
from bench.peers import contestants as of
from bench.peers.contestants import Contestant
from bench.peers.rounds import Comparison, Load, compare

LARGE = Load(tasks=8, batch=100, payload_bytes=1024)
SMALL = Load(tasks=8, batch=100, payload_bytes=200)

Bounds = tuple[float | None, float | None]
IN: list[tuple[Contestant, str, Bounds]] = [
    (of.JETSTREAM, "JetStream's atomic batches with fsync", (4, 8)),
    (of.REDIS_STREAMS, "Redis Streams, always", (2, 4)),
    (of.PGMQ, "PGMQ", (None, None)),
    (of.RABBITMQ_QUORUM, "RabbitMQ quorum", (None, None)),
]
OUT: list[tuple[Contestant, str, Bounds]] = [
    (of.REDIS_STREAMS, "Redis Streams, always", (0.75, 1.5)),
    (of.PGMQ, "PGMQ", (4, 8)),
    (of.JETSTREAM, "JetStream", (None, None)),
    (of.RABBITMQ_QUORUM, "RabbitMQ quorum", (None, None)),
]


async def large(scale: Scale, seed: int) -> Measured:
    """Payloads of 1 KB: the rates, and the ratios to each peer."""
    comparison = await compare(of.STORING, LARGE, scale, seed)
    product = comparison.results[of.HANZO_HTTP]
    figures = [
        Figure("batch enqueue of 100 x 1 KB, HTTP", product.send_rate, "messages/s", 100_000, None),
        Figure("receive + ack, 100 x 1 KB at a time, HTTP", product.take_rate, "messages/s", 100_000, 300_000),
        *ratios(comparison, of.HANZO_HTTP, "HTTP", with_bounds=True),
        *ratios(comparison, of.HANZO_SDK, "SDK", with_bounds=False),
    ]
    return Measured(figures, [result.json() for result in comparison.results.values()], comparison.skipped)


async def small(scale: Scale, seed: int) -> Measured:
    """Payloads of 200 bytes."""
    comparison = await compare(of.STORING, SMALL, scale, seed)
    product = comparison.results[of.HANZO_HTTP]
    figures = [
        Figure("batch enqueue of 100 x 200 B, HTTP", product.send_rate, "messages/s", 100_000, 300_000),
        Figure("receive + ack, 100 x 200 B at a time, HTTP", product.take_rate, "messages/s", None, 300_000),
    ]
    return Measured(figures, [result.json() for result in comparison.results.values()], comparison.skipped)


def ratios(comparison: Comparison, product: Contestant, through: str, *, with_bounds: bool) -> list[Figure]:
    """Of one way to drive the product to each peer that took part."""
    found = []
    for taking, rows in ((False, IN), (True, OUT)):
        what = "receive + ack 100" if taking else "batch enqueue of 100"
        for peer, name, bounds in rows:
            ratio = comparison.ratio(product, peer, taking=taking)
            if ratio is not None:
                floor, aim = bounds if with_bounds else (None, None)
                found.append(Figure(f"{what}, {through}, to {name}", ratio, "x", floor, aim))
    return found
