"""The versions that decide how many instructions the same source takes."""

from __future__ import annotations

import platform
import subprocess
import sysconfig
from pathlib import Path


def toolchain() -> dict[str, str]:
    """By name. Two machines with the same ones count the same."""
    return {
        "python": f"{platform.python_version()}, {platform.python_compiler()}, {_optimisation()}",
        "rustc": _first_line(["rustc", "--version"]),
        "libc": " ".join(platform.libc_ver()),
        "valgrind": _first_line(["valgrind", "--version"]),
        "machine": _machine(),
    }


def _first_line(command: list[str]) -> str:
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return "none"
    return said.splitlines()[0]


def _optimisation() -> str:
    """How the interpreter was built: with a profile it takes a fifth fewer instructions."""
    arguments = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return "with a profile" if "--enable-optimizations" in arguments else "without a profile"


def _machine() -> str:
    """The instruction set, and what the C library and blake3 choose their code by; valgrind knows nothing newer."""
    try:
        has_avx2 = " avx2 " in Path("/proc/cpuinfo").read_text()
    except OSError:
        has_avx2 = False
    return platform.machine() + (" with avx2" if has_avx2 else "")
