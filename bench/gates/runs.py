"""Runs the measured processes, two at a time, and collects what they counted.

    server-counts, engine-counts     as fast as they can, allocations counted by a preloaded library
    server-, engine-instructions     under callgrind
    server-times                     alone, because it is a time
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.gates.callgrind import Functions, read_dumps
from bench.gates.native_parts import library

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 600
CALLGRIND = ["valgrind", "--quiet", "--tool=callgrind", "--instr-atstart=no", "--collect-atstart=no", "--dump-line=no"]

Counts = dict[str, dict[str, float]]
"""Of each load, by quantity, for a thousand messages."""


class MeasurementFailed(Exception):
    """A measured process ended with an error. The text has its last words."""


@dataclass
class Measured:
    """Of one side, server or engine. `functions`: what opcodes and instructions of each load were spent in."""

    counts: Counts = field(default_factory=dict)
    functions: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    def add(self, load: str, quantity: str, functions: dict[str, float]) -> None:
        """`quantity` of `load`, spent in `functions`."""
        self.counts.setdefault(load, {})[quantity] = sum(functions.values())
        self.functions.setdefault(load, {})[quantity] = functions


@dataclass
class Run:
    """Both sides by name, what a round took, and what could not be counted, as sentences."""

    sides: dict[str, Measured]
    times: dict[str, float]
    missing: list[str]


def run(*, instructions: bool) -> Run:
    """Measures everything; `instructions`: those, too."""
    sides = {"server": Measured(), "engine": Measured()}
    for name in ("allocations", *(["requests"] if instructions else [])):
        library(name)
    _process("nothing")
    with ThreadPoolExecutor(max_workers=2) as pool:
        counts = {side: pool.submit(_counts, side) for side in sides}
        dumps = {side: pool.submit(_instructions, side) for side in sides if instructions}
        for side, measured in sides.items():
            for load, quantities in counts[side].result()["counts"].items():
                measured.counts[load] = quantities
            for load, functions in counts[side].result().get("opcodes", {}).items():
                measured.add(load, "opcodes", functions)
        for side, dump in dumps.items():
            for load, functions in dump.result().items():
                sides[side].add(load, "instructions", functions)
    hindrance = counts["server"].result()["hindrance"]
    missing = [] if hindrance is None else [f"fsyncs were not counted, only the batches they are for: {hindrance}."]
    return Run(sides, _process("server-times"), missing)


def _counts(side: str) -> dict[str, Any]:
    environment = {"LD_PRELOAD": str(library("allocations"))}
    if side == "server":
        environment["PYTHONMALLOC"] = "malloc"  # so that Python's own are counted, too
    return _process(f"{side}-counts", environment=environment)


def _instructions(side: str) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="hanzo-gates-") as name:
        arguments = []
        if side == "engine":
            arguments = [f"{name}/journal"]
            _process("engine-journal", *arguments)
        under = [*CALLGRIND, f"--callgrind-out-file={name}/callgrind.out"]
        messages: dict[str, int] = _process(f"{side}-instructions", *arguments, under=under)["messages"]
        dumps = read_dumps(Path(name))
        assert dumps.keys() >= messages.keys(), "callgrind wrote what every load took"
        return {load: _per_thousand(dumps[load], count) for load, count in messages.items()}


def _per_thousand(functions: Functions, messages: int) -> dict[str, float]:
    return {function: count * 1000 / messages for function, count in functions.items()}


def _process(
    part: str, *arguments: str, under: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """What the process printed. Its environment is the same everywhere: it lies on the measured stack."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [*under, sys.executable, "-m", "bench.gates.measure", part, *arguments],
        cwd=ROOT, env={**kept, "PYTHONHASHSEED": "0", **(environment or {})},
        capture_output=True, text=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    if done.returncode != 0:
        raise MeasurementFailed(f"{part} ended with {done.returncode}: {done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result
