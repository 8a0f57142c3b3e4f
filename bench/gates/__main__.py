"""Counts what messages cost and holds it against bench/baselines: `python -m bench.gates [--renew] [--table]`.

Exit status 1: something became dearer than it may be, and each sentence says what and where.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time

from bench.gates.baseline import Baseline
from bench.gates.runs import MeasurementFailed, Run, run
from bench.gates.toolchain import toolchain
from bench.gates.verdict import Verdict, compare, compare_growth, compare_times


def main() -> int:
    """Measures, compares or renews, and prints."""
    arguments = argparse.ArgumentParser(prog="python -m bench.gates", description=__doc__)
    arguments.add_argument("--renew", action="store_true", help="write what was measured into the baselines")
    arguments.add_argument("--table", action="store_true", help="print every count")
    chosen = arguments.parse_args()
    began = time.monotonic()
    instructions = shutil.which("valgrind") is not None
    made_with = toolchain()
    if not instructions:
        del made_with["valgrind"]
    verdict = Verdict()
    try:
        measured = run(instructions=instructions)
    except MeasurementFailed as failure:
        print(f"FAILED: {failure}")
        return 1
    verdict.notices += measured.missing
    if not instructions:
        verdict.notices.append("instructions were not counted, nor how they grow with the backlog: no valgrind here.")
    if chosen.table:
        print_table(measured)
    if chosen.renew:
        return renew(measured, made_with, verdict.notices)
    for side, counted in measured.sides.items():
        compare(side, counted, Baseline.read(side), made_with, verdict)
    if instructions:
        compare_growth(measured.sides["engine"], verdict)
    print(compare_times(measured.times, verdict))
    for notice in verdict.notices:
        print(f"NOTICE: {notice}")
    for sentence in verdict.failures:
        print(f"FAILED: {sentence}")
    seconds = time.monotonic() - began
    print(f"gates: {verdict.passed} passed, {len(verdict.failures)} failed in {seconds:.0f} s")
    return 1 if verdict.failures else 0


def renew(measured: Run, made_with: dict[str, str], missing: list[str]) -> int:
    """Writes the baselines, and prints what changed in them."""
    if missing:
        print("not renewed: a baseline needs every count.", *missing, sep="\n")
        return 1
    for side, counted in measured.sides.items():
        renewed, changes = Baseline.read(side).renewed(counted, made_with)
        renewed.write(side)
        print(f"bench/baselines/{side}.json: {len(changes)} numbers changed", *changes, sep="\n  ")
    return 0


def print_table(measured: Run) -> None:
    """Every count, for a thousand messages."""
    for side, counted in measured.sides.items():
        print(f"{side}, for a thousand messages")
        for load, counts in counted.counts.items():
            print(f"  {load}: " + ", ".join(f"{quantity} {count:,.0f}" for quantity, count in counts.items()))


if __name__ == "__main__":
    sys.exit(main())
