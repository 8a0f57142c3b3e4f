"""The engine alone: runs its criterion benchmarks and takes over their medians."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from bench.figure import Figure, Scale

ROOT = Path(__file__).parents[1]
ESTIMATES = ROOT / "target" / "criterion"


async def measure(scale: Scale) -> list[Figure]:
    """Every benchmark of the engine's crate."""
    command = ["cargo", "bench", "--locked", "--quiet", "-p", "engine"]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT)
    if await process.wait() != 0:
        raise RuntimeError("cargo bench failed")
    return [figure(path) for path in sorted(ESTIMATES.glob("**/new/estimates.json"))]


def figure(path: Path) -> Figure:
    """The median of one benchmark."""
    nanoseconds = json.loads(path.read_text())["median"]["point_estimate"]
    return Figure(f"engine: {path.parents[1].relative_to(ESTIMATES)}", nanoseconds, "ns")
