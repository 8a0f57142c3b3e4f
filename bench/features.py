"""Priority, dedup and a rate limit on, against off: batches of 100 in, receive and ack of 100 out, 8 connections.

On, each message has one of ten priorities and a dedup id of its own, and the queue a rate limit that is never reached,
so that what is measured is the work and not the waiting.
"""

from __future__ import annotations

import random
import sys

from bench.figure import Figure, Scale
from bench.generator import check_ledger, generate
from bench.measured import Measured
from bench.peers.rounds import ratio_of_rounds
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

CONNECTIONS = 8
MOST = 100_000  # messages of a round
QUEUES = {"off": {}, "on": {"rate_limit": {"requests": 1_000_000, "per": "second"}}}


async def measure(scale: Scale, seed: int) -> Measured:
    """Rounds of both, in turn; messages that went in and out again, by the time both took."""
    rates: dict[str, list[float]] = {"off": [], "on": []}
    order = random.Random(seed)
    with LocalServer() as server:
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            for name, config in QUEUES.items():
                await queues.create(name, config)
        for _ in range(2 * scale.rounds):
            for name in order.sample(list(QUEUES), 2):
                rates[name].append(await one_round(server, name, scale.round_seconds))
                print(f"features {name}: {rates[name][-1]:,.0f}/s", file=sys.stderr, flush=True)
    ratio = ratio_of_rounds(rates["on"], rates["off"])
    rows: list[dict[str, object]] = [
        {"name": f"features {name}", "in and out/s": [round(rate) for rate in found]} for name, found in rates.items()
    ]
    return Measured([Figure("priority + dedup + rate limit on, to off", ratio, "x", 0.85, 0.95)], rows)


async def one_round(server: LocalServer, name: str, seconds: float) -> float:
    """Fills and empties one queue. Raises LedgerBroken."""
    address = server.url.removeprefix("http://")
    fixed: dict[str, object] = {"key": server.api_key, "queue": name, "connections": CONNECTIONS}
    sent = await generate("enqueue-batch", address, **fixed, seconds=seconds, most=MOST, features=name)
    taken = await generate("drain", address, **fixed)
    check_ledger(sent.ids, taken.ids)
    return sent.messages / (sent.seconds + taken.seconds)
