"""What the figures are measured on."""

from __future__ import annotations

import os
import platform
import tempfile
import time


def describe_machine() -> dict[str, object]:
    """Cores, processor, Python, and what a durable write costs here."""
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
