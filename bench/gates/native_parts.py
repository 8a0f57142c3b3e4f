"""The two small C libraries of the gates, compiled when they are needed: allocations counted, callgrind told."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SOURCES = Path(__file__).with_name("native")
BUILT = Path(__file__).parents[2] / "target" / "gates"


def library(name: str) -> Path:
    """The shared library of native/NAME.c. Raises CalledProcessError, OSError when there is no C compiler."""
    source, built = SOURCES / f"{name}.c", BUILT / f"{name}.so"
    if not built.exists() or built.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        fresh = BUILT / f"{name}.{os.getpid()}.so"
        compiler = os.environ.get("CC", "cc")
        flags = ["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-ftls-model=initial-exec"]
        subprocess.run([compiler, *flags, "-o", str(fresh), str(source)], check=True)
        fresh.replace(built)
    return built
