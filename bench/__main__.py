"""Measures every figure of the README: `python -m bench [--quick] [--only NAME ...]`.

Prints a table and writes bench/results/NAME.json. Each figure is a ratio against a reference of the same run, or a
count; a figure whose ledger does not add up raises, and is not printed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from bench import batch_enqueue, engine, kills, receive_ack, sdk_latency, single_enqueue
from bench.figure import Figure, Scale

RESULTS = Path(__file__).with_name("results")

FIGURES: dict[str, Callable[[Scale], Coroutine[Any, Any, list[Figure]]]] = {
    "single-enqueue": single_enqueue.measure,
    "batch-enqueue": batch_enqueue.measure,
    "receive-ack": receive_ack.measure,
    "sdk-latency": sdk_latency.measure,
    "kills": kills.measure,
    "engine": engine.measure,
}


def main() -> None:
    """Runs the figures that were asked for, in order, one at a time."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="short rounds: shows that it runs, not how fast")
    arguments.add_argument("--only", nargs="+", choices=FIGURES, default=list(FIGURES), metavar="NAME")
    chosen = arguments.parse_args()
    scale = Scale.quick() if chosen.quick else Scale.full()
    machine = describe_machine()
    print(f"{machine['cores']} cores, {machine['processor']}; fsync of 4 KiB: {machine['fsync_ms']} ms\n")
    for name in chosen.only:
        figures = asyncio.run(FIGURES[name](scale))
        for figure in figures:
            print(figure.row(), flush=True)
        if not chosen.quick:
            written = {"machine": machine, "figures": [figure.json() for figure in figures]}
            (RESULTS / f"{name}.json").write_text(json.dumps(written, indent=2) + "\n")


def describe_machine() -> dict[str, object]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "fsync_ms": round(fsync_median_ms(), 3),
    }


def fsync_median_ms() -> float:
    """What one durable write of 4 KiB costs here."""
    taken = []
    with tempfile.TemporaryFile(dir=".") as file:
        for _ in range(100):
            file.write(b"x" * 4096)
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2] * 1000


if __name__ == "__main__":
    main()
