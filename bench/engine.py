"""Engine and codec alone: runs their criterion benchmarks and takes over the medians."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

from bench.figure import Figure, Scale
from bench.measured import Measured

ROOT = Path(__file__).parents[1]
ESTIMATES = ROOT / "target" / "criterion"


async def measure(scale: Scale, seed: int) -> Measured:
    """Every benchmark of both crates."""
    started = time.time()
    for crate in ("engine", "codec"):
        command = ["cargo", "bench", "--locked", "--quiet", "-p", crate]
        process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
        if await process.wait() != 0:
            raise RuntimeError(f"cargo bench -p {crate} failed")
    estimates = [path for path in sorted(ESTIMATES.glob("**/new/estimates.json")) if path.stat().st_mtime >= started]
    medians = {str(path.parents[1].relative_to(ESTIMATES)): median_ns(path) for path in estimates}
    cycles = [cycles_a_second(medians, each, bounds) for each, bounds in ((1, (1e6, 3e6)), (100, (1e6, 3e6)))]
    return Measured(cycles, [{"name": name, "ns": round(value, 1)} for name, value in medians.items()])


def cycles_a_second(medians: dict[str, float], each: int, bounds: tuple[float, float]) -> Figure:
    """A message's enqueue, lease and ack, one thread, a million others resident."""
    ns = sum(medians[f"a million ready/{verb}, {each} a step"] for verb in ("enqueue", "lease", "ack"))
    return Figure(f"engine at a million messages, {each} a step", 1e9 / ns, "cycles/s", *bounds)


def median_ns(path: Path) -> float:
    """Of one benchmark."""
    return float(json.loads(path.read_text())["median"]["point_estimate"])
