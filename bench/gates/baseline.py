"""The committed baselines: bench/baselines/SIDE.json, and what a renewal writes.

    made_with    the versions that the numbers belong to
    loads        quantity -> count for a thousand messages
    functions    where instructions and opcodes were spent, without the small ones
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from bench.gates.runs import Counts, Measured

BASELINES = Path(__file__).parents[1] / "baselines"
SHARE_MIN = 0.002  # a function with less of its load is not written down
NOISE = 0.003  # a number that moved less keeps its old value, so that a renewal shows what changed


@dataclass
class Baseline:
    """Of one side."""

    made_with: dict[str, str] = field(default_factory=dict)
    loads: Counts = field(default_factory=dict)
    functions: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict)

    @classmethod
    def read(cls, side: str) -> Baseline:
        """The committed one; an empty one when there is none."""
        path = BASELINES / f"{side}.json"
        return cls(**json.loads(path.read_text())) if path.exists() else cls()

    def write(self, side: str) -> None:
        """To be committed."""
        BASELINES.mkdir(exist_ok=True)
        (BASELINES / f"{side}.json").write_text(json.dumps(vars(self), indent=1, sort_keys=True) + "\n")

    def renewed(self, measured: Measured, made_with: dict[str, str]) -> tuple[Baseline, list[str]]:
        """What was measured as a baseline, and a line for each number that changed. What was not measured is kept
        only where its load is."""
        loads: Counts = {}
        functions: dict[str, dict[str, dict[str, float]]] = {}
        changes: list[str] = []
        for load, counts in measured.counts.items():
            known = self.loads.get(load, {})
            loads[load] = dict(known)
            functions[load] = dict(self.functions.get(load, {}))
            for quantity, count in counts.items():
                was = known.get(quantity)
                if was is not None and abs(count - was) <= NOISE * was:
                    continue
                loads[load][quantity] = round(count) if count >= 10_000 else round(count, 3)
                if quantity in measured.functions.get(load, {}):
                    functions[load][quantity] = _large(measured.functions[load][quantity], count)
                changes.append(_change(load, quantity, was, count))
            if not functions[load]:
                del functions[load]
        changes += [f"{load}: no longer measured" for load in self.loads if load not in loads]
        return Baseline(made_with, loads, functions), changes


def _large(functions: dict[str, float], total: float) -> dict[str, float]:
    return {function: round(count) for function, count in functions.items() if count >= SHARE_MIN * total}


def _change(load: str, quantity: str, was: float | None, now: float) -> str:
    if was is None:
        return f"{load}: {quantity} {now:,.0f}, new"
    moved = f"{now / was - 1:+.1%}" if was else "was none"
    return f"{load}: {quantity} {was:,.0f} -> {now:,.0f} ({moved})"
