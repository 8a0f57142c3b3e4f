"""What the figures are measured on."""

from __future__ import annotations

import os
import platform
import tempfile
import time
from pathlib import Path


def describe_machine() -> dict[str, object]:
    """Cores, processor, Python, and what a durable write costs here."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "fsync_ms": round(fsync_median_ms(), 3),
    }


class Since:
    """What passed since this was made: seconds, and what other virtual machines of the host took of the processors."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._ticks = _ticks()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def stolen(self) -> float | None:
        """The share of the processors' time for which this machine had work and did not get them: Linux's "steal". None
        where it isn't told."""
        if self._ticks is None or (now := _ticks()) is None:
            return None
        passed = [after - before for before, after in zip(self._ticks, now, strict=True)]
        return passed[STEAL] / max(1, sum(passed))


STEAL = 7
"""Its place among the first eight numbers of /proc/stat, which are all of a processor's time: proc_stat(5)."""


def _ticks() -> list[int] | None:
    try:
        first = Path("/proc/stat").read_text().partition("\n")[0]
    except OSError:
        return None
    return [int(ticks) for ticks in first.split()[1 : STEAL + 2]]


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
