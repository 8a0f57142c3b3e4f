"""Ten million messages that wait, and are then received in order: `make backlog`.

    short queue: fill, drain, again and again -> longer ones, once each -> fill -> everything waits -> drain
         '- the rate of reference                                                '- memory of server and nats-server

The generator stamps every message with its sender and its place and keeps the ledger: what is lost, comes twice, out of
order or not as it was sent makes the run void. Takes 1.2 KB of disk a message, in the temporary directory.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from collections.abc import Callable, Iterable
from itertools import starmap
from statistics import median

from bench.figure import Figure
from bench.generator import Run, generate
from bench.machine import Since
from bench.measured import Measured
from bench.memory import nats_process, peak_bytes, resident_bytes, stored_bytes
from examples.local_server import LocalServer
from hanzo_queues import AsyncQueues

CONNECTIONS = 8
BATCH = 100
PAYLOAD_BYTES = 1024
DEPTHS = (100_000, 1_000_000)
"""Between the short queue and the long one."""
ENVIRONMENT = {"HANZO_PAYLOAD_MEMORY": "64MiB"}
DISK_BYTES_EACH = 1400  # of a message in the journal, with some room


async def load(server: LocalServer, mode: str, queue: str, messages: int, **options: object) -> Run:
    """One run of the generator, over `messages` stamped ones. Raises RuntimeError unless its ledger adds up."""
    address = server.url.removeprefix("http://")
    usual: dict[str, object] = {"connections": CONNECTIONS, "batch": BATCH, "payload_bytes": PAYLOAD_BYTES}
    return await generate(mode, address, key=server.api_key, queue=queue, messages=messages, **usual | options)


Round = tuple[Run, Run]
"""A queue is filled, and drained."""


async def round_of(server: LocalServer, queue: str, messages: int) -> Round:
    filled = await load(server, "fill", queue, messages)
    return filled, await load(server, "drain", queue, messages)


def in_and_out_per_second(filled: Run, drained: Run) -> float:
    """Messages, each of which is enqueued, received and acknowledged, one thing after the other."""
    return 1 / (1 / filled.messages_per_second + 1 / drained.messages_per_second)


def depth_row(messages: int, *rounds: Round) -> dict[str, str | float]:
    """What a queue of that many did: medians of its rounds."""

    def of(measure: Callable[[Run], float], runs: Iterable[Run], digits: int = 0) -> float:
        return round(median(map(measure, runs)), digits)

    filled, drained = zip(*rounds, strict=True)
    return {
        "name": f"{messages:,} queued",
        "rounds": len(rounds),
        "filled/s": of(lambda run: run.messages_per_second, filled),
        "received/s": of(lambda run: run.messages_per_second, drained),
        "in and out/s": round(median(starmap(in_and_out_per_second, rounds))),
        "receive p50 ms": of(lambda run: run.p50_ms, drained, 2),
        "receive p99 ms": of(lambda run: run.p99_ms, drained, 2),
    }


async def measure(messages: int, short: int, rounds: int) -> Measured:
    """The figures of one run, and a row for each depth."""
    with LocalServer(environment=ENVIRONMENT) as server:
        assert server.process is not None
        async with AsyncQueues(server.api_key, url=server.url) as queues:
            await queues.create("short")
            await queues.create("backlog")
        short_rounds = [await round_of(server, "short", short) for _ in range(rounds)]
        of_short = depth_row(short, *short_rounds)
        rows = [of_short]
        for depth in DEPTHS:
            if depth < messages:
                rows.append(depth_row(depth, await round_of(server, "short", depth)))
        filled = await load(server, "fill", "backlog", messages)
        nats = nats_process(server)
        waiting = {
            "server MB": resident_bytes(server.process.pid) // 10**6,
            "nats-server MB": resident_bytes(nats) // 10**6,
            "journal MB": stored_bytes(server, "HANZO_P0") // 10**6,
            "checkpoints MB": stored_bytes(server, "HANZO_P0_CHECKPOINTS") // 10**6,
        }
        print(f"{messages} wait, filled at {filled.messages_per_second:,.0f} a second: {waiting}", flush=True)
        drained = await load(server, "drain", "backlog", messages)
        peaks = {"server MB": peak_bytes(server.process.pid) / 1e6, "nats-server MB": peak_bytes(nats) / 1e6}
    rows.append(depth_row(messages, (filled, drained)))
    in_and_out = in_and_out_per_second(filled, drained)
    rates = {
        "messages/s": round(drained.messages_per_second),
        "of a short queue/s": of_short["received/s"],
        "filled at/s": round(filled.messages_per_second),
        "p50 ms": drained.p50_ms,
        "p99 ms": drained.p99_ms,
        "short p50 ms": of_short["receive p50 ms"],
        "messages": drained.messages,
        "furthest ahead of one that waited": drained.ahead_max,
    }
    both = {"messages/s": round(in_and_out), "of a short queue/s": of_short["in and out/s"]}
    memory = {"nats-server at most MB": round(peaks["nats-server MB"]), "while all wait": waiting}
    ratio = drained.messages_per_second / float(of_short["received/s"])
    ratio_of_both = in_and_out / float(of_short["in and out/s"])
    name = f"{messages:,} x 1 KB queued"
    figures = [
        Figure(f"{name}: received in order, to a short queue", ratio, "x", 0.5, details=rates),
        Figure(f"{name}: in and out, to a short queue", ratio_of_both, "x", 0.7, 0.9, details=both),
        Figure(f"{name}: memory of the server", peaks["server MB"], "MB", 1000, at_most=True, details=memory),
    ]
    return Measured(figures, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000_000)
    parser.add_argument("--short", type=int, default=40_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="write the figures to bench/results")
    chosen = parser.parse_args()
    since = Since()
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if free < chosen.messages * DISK_BYTES_EACH:
        parser.error(f"{chosen.messages} messages take more than the {free // 10**9} GB that are free")
    each = CONNECTIONS * BATCH
    measured = asyncio.run(measure(chosen.messages // each * each, chosen.short // each * each, chosen.rounds))
    measured.tell("backlog", since, write=chosen.write)


if __name__ == "__main__":
    main()
