"""Messages whose handler does nothing: the Python SDK's consumer, taskiq's worker and BullMQ's, one process each."""

from __future__ import annotations

import random
import sys
from contextlib import AsyncExitStack
from pathlib import Path

from bench.figure import Figure, Scale
from bench.generator import check_ledger, run_generator
from bench.measured import Measured
from bench.peers.contestants import HANZO, HANZO_RELAXED, REDIS, REDIS_RELAXED, Server
from bench.peers.installed import PYTHON, Missing, environment, program, require
from bench.peers.rounds import ratio_of_rounds

SCRIPT = Path(__file__).parent / "peers" / "consumers" / "bullmq.js"
OWN = "Hanzo Queues, Python SDK"
TASKIQ = "taskiq on Redis Streams"
BULLMQ = "BullMQ's worker in Node"
WORKERS = [
    (OWN, HANZO, "fsync"),
    (TASKIQ, REDIS, "fsync"),
    (BULLMQ, REDIS, "fsync"),
    (OWN, HANZO_RELAXED, "page cache"),
    (TASKIQ, REDIS_RELAXED, "page cache"),
    (BULLMQ, REDIS_RELAXED, "page cache"),
]
BOUNDS = {TASKIQ: (3, 8), BULLMQ: (1, 3)}


def command(name: str) -> list[str]:
    """What runs a worker."""
    if name == OWN:
        return [sys.executable, "-m", "bench.peers.consumers.hanzo"]
    if name == TASKIQ:
        require("python")
        return [str(PYTHON), "-m", "bench.peers.consumers.taskiq_streams"]
    require("bullmq")
    return [program("node"), str(SCRIPT)]


async def measure(scale: Scale, seed: int) -> Measured:
    """Each round, each worker on a fresh server: what a worker leaves behind is no burden to the next one."""
    rates: dict[tuple[str, str], list[float]] = {}
    skipped: dict[str, str] = {}
    order = random.Random(seed)
    for _ in range(scale.rounds):
        for name, server, durability in order.sample(WORKERS, len(WORKERS)):
            try:
                rate = await work(command(name), server, scale.messages)
            except Missing as missing:
                skipped[name] = str(missing)
                continue
            rates.setdefault((name, durability), []).append(rate)
            print(f"{name} ({durability}): {rate:,.0f}/s", file=sys.stderr, flush=True)
    rows = [
        {"name": name, "durability": durability, "handled/s": [round(rate) for rate in found]}
        for (name, durability), found in sorted(rates.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    figures = [
        Figure(
            f"no-op handlers, SDK, to {peer}, {durability}",
            ratio_of_rounds(rates[OWN, durability], rates[peer, durability]),
            "x",
            *BOUNDS[peer],
        )
        for peer in (TASKIQ, BULLMQ)
        for durability in ("fsync", "page cache")
        if (peer, durability) in rates
    ]
    return Measured(figures, rows, skipped)


async def work(words: list[str], server: Server, messages: int) -> float:
    """Fills a queue and works it off; messages handled a second. Raises LedgerBroken."""
    async with AsyncExitStack() as stack:
        options = {"address": await stack.enter_async_context(server.start()), "expected": messages}
        filled = await run_generator([*words, "fill"], options, environment())
        worked = await run_generator([*words, "work"], options, environment())
    check_ledger(filled.ids, worked.ids)
    return worked.messages_per_second
