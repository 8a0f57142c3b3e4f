"""Engine and codec alone: runs their criterion benchmarks and takes over the medians."""

from __future__ import annotations

import asyncio
import json
import re
import time
from pathlib import Path

from bench.figure import Figure, Scale
from bench.measured import Measured

ROOT = Path(__file__).parents[1]
ESTIMATES = ROOT / "target" / "criterion"


async def measure(scale: Scale, seed: int) -> Measured:
    """Every benchmark of both crates, and the bytes that the allocator counts a message."""
    started = time.time()
    for crate in ("engine", "codec"):
        await cargo("bench", "--locked", "--quiet", "-p", crate)
    estimates = [path for path in sorted(ESTIMATES.glob("**/new/estimates.json")) if path.stat().st_mtime >= started]
    medians = {str(path.parents[1].relative_to(ESTIMATES)): median_ns(path) for path in estimates}
    counting = ("test", "--release", "--locked", "-p", "engine", "--test", "memory", "--", "--nocapture")
    said = await cargo(*counting)
    figures = [cycles_a_second(medians, 1), cycles_a_second(medians, 100)]
    for state, count in re.findall(r"(ready|delayed|leased) (\d+)", said):
        figures.append(Figure(f"index memory of a {state} message", float(count), "bytes", 64, 48, at_most=True))
    return Measured(figures, [{"name": name, "ns": round(value, 1)} for name, value in medians.items()])


async def cargo(*words: str) -> str:
    """What a command of cargo's prints; raises RuntimeError when it fails."""
    process = await asyncio.create_subprocess_exec("cargo", *words, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise RuntimeError(f"cargo {' '.join(words)} failed: {out.decode()}")
    return out.decode()


def cycles_a_second(medians: dict[str, float], each: int) -> Figure:
    """A message's enqueue, lease and ack, one thread, a million others resident."""
    ns = sum(medians[f"a million ready/{verb}, {each} a step"] for verb in ("enqueue", "lease", "ack"))
    return Figure(f"engine at a million messages, {each} a step", 1e9 / ns, "cycles/s", 1e6, 3e6)


def median_ns(path: Path) -> float:
    """Of one benchmark."""
    return float(json.loads(path.read_text())["median"]["point_estimate"])
