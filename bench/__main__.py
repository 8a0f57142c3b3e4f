"""Measures the figures: `python -m bench [--quick] [--only NAME ...] [--rounds N] [--seed N]`.

Prints each and writes bench/results/NAME.json; `python -m bench.report` makes tables and plots of them. Each figure is
a ratio of the same run, or a rate, whose ledger adds up: else the run raises, and nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import secrets
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from bench import batches, consumers, engine, features, kills, queued_memory, sdk_latency, singles
from bench.figure import Scale
from bench.machine import Since, describe_machine
from bench.measured import Measured

QUESTIONS: dict[str, Callable[[Scale, int], Coroutine[Any, Any, Measured]]] = {
    "singles": singles.measure,
    "batches": batches.large,
    "batches-200-bytes": batches.small,
    "consumers": consumers.measure,
    "memory": queued_memory.measure,
    "latency": sdk_latency.measure,
    "features": features.measure,
    "kills": kills.measure,
    "engine": engine.measure,
}


def main() -> None:
    """Runs what was asked for, in order, one at a time."""
    arguments = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="short rounds: shows that it runs, not how fast")
    arguments.add_argument("--only", nargs="+", choices=QUESTIONS, default=list(QUESTIONS), metavar="NAME")
    arguments.add_argument("--rounds", type=int, help="of each that is compared; default 5, or 2 with --quick")
    arguments.add_argument("--seed", type=int, default=secrets.randbelow(2**32), help="order of the rounds; kills")
    chosen = arguments.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what was started is stopped then, too
    scale = Scale.quick() if chosen.quick else Scale.full()
    scale = replace(scale, rounds=chosen.rounds or scale.rounds)
    machine = describe_machine()
    print(f"{machine['cores']} cores; fsync of 4 KiB: {machine['fsync_ms']} ms; seed {chosen.seed}\n", flush=True)
    for name in chosen.only:
        since = Since()
        measured = asyncio.run(QUESTIONS[name](scale, chosen.seed))
        for figure in measured.figures:
            print(figure.row(), flush=True)
        for peer, reason in measured.skipped.items():
            print(f"{peer} was left out: {reason}", flush=True)
        if not chosen.quick:
            measured.write(name, chosen.seed, since)


if __name__ == "__main__":
    main()
