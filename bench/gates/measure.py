"""The measured process: `python -m bench.gates.measure PART [PATH]`. Prints one line of JSON.

Started by `bench.gates.runs`, which sets its environment: hashes that don't change, allocations counted, callgrind.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

import uvloop

from bench.gates import engine_loads, server_loads
from bench.gates.counting_loop import CountingLoop
from bench.gates.fsyncs import Fsyncs
from bench.gates.meters import Callgrind, Meters, Nothing, Opcodes, Readings, allocations
from bench.gates.served import Served, serving
from hanzo_queues.server import writer

COUNTED_ROUNDS = 16  # of the server's loads; a round is at most 64 requests
TRACED_ROUNDS = 12  # opcodes, whose least round counts
COLLECTED_ROUNDS = 4  # instructions are slow to count, and the same in every round
TIMED_ROUNDS = 40

Result = dict[str, Any]


def server_counts() -> Result:
    """Batches, bytes, fsyncs, writes, wake-ups and allocations; then opcodes."""

    async def work(served: Served) -> Result:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CountingLoop)
        bytes_durable = JournalBytes(served)
        readings = Readings(
            {
                "journal batches": lambda: served.batches,
                "journal bytes": lambda: bytes_durable.count,
                "writes to clients": lambda: served.crowd.writes + served.noop.writes,
                "loop turns": lambda: loop.turns,
                "loop callbacks": lambda: loop.callbacks,
                "allocations": allocations(),
            },
            least=frozenset({"loop turns", "loop callbacks", "journal batches", "allocations"}),
        )
        hindrance = Fsyncs.hindrance(served.nats_process_id)
        fsyncs = None if hindrance else Fsyncs(served.nats_process_id)
        counted = server_loads.Loads(served, Meters([readings, *([fsyncs] if fsyncs else [])]), COUNTED_ROUNDS)
        await counted.run()
        opcodes = Opcodes()
        traced = server_loads.Loads(served, opcodes, TRACED_ROUNDS)
        await traced.run()
        if fsyncs is not None:
            for load, count in fsyncs.loads.items():
                readings.loads[load]["fsyncs"] = count
        return {
            "counts": {load: per_thousand(counts, counted.messages[load]) for load, counts in readings.loads.items()},
            "opcodes": {load: per_thousand(counts, traced.messages[load]) for load, counts in opcodes.loads.items()},
            "hindrance": hindrance,
        }

    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        return runner.run(with_server(work))


def server_instructions() -> Result:
    """Runs under callgrind, which writes what it saw; says how many messages each load had."""

    async def work(served: Served) -> Result:
        loads = server_loads.Loads(served, Callgrind(), COLLECTED_ROUNDS)
        await loads.run()
        return {"messages": loads.messages}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(with_server(work))


def server_times() -> Result:
    """Seconds of a round of enqueues, and of what it is held against: one of the route that does nothing, and an
    fsync. In turns, so that all have the same machine."""

    async def work(served: Served) -> Result:
        fsyncs: list[float] = []
        noops: list[float] = []
        enqueues: list[float] = []
        for _ in range(TIMED_ROUNDS):
            began = time.perf_counter()
            await served.noop.round(Nothing(), [server_loads.NOOP] * server_loads.CONNECTIONS)
            noops.append(time.perf_counter() - began)
            began = time.perf_counter()
            await served.crowd.round(Nothing(), [server_loads.ENQUEUE] * server_loads.CONNECTIONS)
            enqueues.append(time.perf_counter() - began)
            fsyncs.append(fsync_s(bytes(server_loads.CONNECTIONS * 1024)))
        return {"noop_s": median(noops), "fsync_s": median(fsyncs), "enqueue_s": median(enqueues)}

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(with_server(work))


def fsync_s(data: bytes) -> float:
    """Seconds that `data` takes to be durable."""
    with tempfile.TemporaryFile() as file:
        began = time.perf_counter()
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        return time.perf_counter() - began


async def with_server(work: Any) -> Result:
    """The result of `work` with a server that has done everything once, and goes by no clock: a count is the same
    however long things take."""
    writer.COMPANY_S_MAX = 3600.0
    with tempfile.TemporaryDirectory(prefix="hanzo-gates-") as directory:
        async with serving(Path(directory), server_loads.CONNECTIONS) as served:
            await server_loads.create_queues(served)
            await server_loads.Loads(served, Nothing(), 1).run()
            result: Result = await work(served)
            return result


class JournalBytes:
    """Bytes of the batches that were appended."""

    def __init__(self, served: Served) -> None:
        self.count = 0
        journal: Any = served.app.partition._journal
        self._append = journal.append
        journal.append = self._counted

    def _counted(self, batch: bytes, expected_last_sequence: int) -> Awaitable[None]:
        self.count += len(batch)
        appended: Awaitable[None] = self._append(batch, expected_last_sequence)
        return appended


def engine_counts() -> Result:
    """Journal bytes, batches and allocations of the Rust core."""
    core, loads = filled(engine_loads.FEW)
    core.meter = readings = Readings(
        {
            "journal batches": lambda: core.batches,
            "journal bytes": lambda: core.journal_bytes,
            "allocations": allocations(),
        }
    )
    loads.run()
    return {"counts": {load: per_thousand(counts, loads.messages[load]) for load, counts in readings.loads.items()}}


def engine_journal(path: str) -> Result:
    """Writes the journal of a million messages to `path`."""
    core, _ = filled(engine_loads.MANY)
    core.write(Path(path))
    return {}


def engine_instructions(path: str) -> Result:
    """Runs under callgrind: each verb among ten thousand messages, and among the million of the journal in `path`."""
    gc.disable()  # the driver's own garbage: a verb would pay for what lies about by chance
    few, among_few = filled(engine_loads.FEW)
    many = engine_loads.Core(Nothing())
    many.replay(Path(path))
    among_many = engine_loads.Loads(many, engine_loads.MANY)
    few.meter = many.meter = Callgrind()
    among_few.run()
    among_many.run()
    return {"messages": among_few.messages | among_many.messages}


def filled(resident: int) -> tuple[engine_loads.Core, engine_loads.Loads]:
    """A core with so many messages, and what it will be put to."""
    core = engine_loads.Core(Nothing())
    loads = engine_loads.Loads(core, resident)
    loads.fill()
    return core, loads


def nothing() -> Result:
    """Everything is imported, and compiled for the next one."""
    return {}


def per_thousand(counts: dict[str, Any], messages: int) -> dict[str, float]:
    """As many for a thousand messages."""
    return {name: round(count * 1000 / messages, 3) for name, count in counts.items()}


PARTS: dict[str, Callable[..., Result]] = {
    "nothing": nothing,
    "server-counts": server_counts,
    "server-instructions": server_instructions,
    "server-times": server_times,
    "engine-counts": engine_counts,
    "engine-journal": engine_journal,
    "engine-instructions": engine_instructions,
}

if __name__ == "__main__":
    print(json.dumps(PARTS[sys.argv[1]](*sys.argv[2:])))
