"""What the operating system knows of a process: who it is, what it has used, how it ends with or without its parent.

Linux is asked by its own means, other systems with `ps`.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

KILL_TIMEOUT_S = 5.0
PR_SET_PDEATHSIG = 1


def die_with_parent(told_by: signal.Signals = signal.SIGKILL) -> Callable[[], None] | None:
    """What a child runs before exec so that Linux sends it the signal `told_by` when its parent ends. "Parent" is the
    thread that starts it: the one of the event loop, which has to outlive the child."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def before_exec() -> None:
        prctl(PR_SET_PDEATHSIG, told_by)
        if os.getppid() != parent:
            os._exit(1)

    return before_exec


def end_and_wait(pid: int, patience_s: float) -> None:
    """Asks it to end (SIGTERM), and kills it when that takes longer than `patience_s` seconds. Returns when all its
    threads are gone, and its port is free: in /proc it seems to be gone before. Raises ProcessLookupError when it is
    gone already."""
    if sys.platform == "linux":
        process = os.pidfd_open(pid)
        try:
            for told, seconds in ((signal.SIGTERM, patience_s), (signal.SIGKILL, KILL_TIMEOUT_S)):
                os.kill(pid, told)
                if select.select([process], [], [], seconds)[0]:
                    return
        finally:
            os.close(process)
        return
    began = time.monotonic()
    while time.monotonic() < began + patience_s + KILL_TIMEOUT_S:
        os.kill(pid, signal.SIGTERM if time.monotonic() < began + patience_s else signal.SIGKILL)
        time.sleep(0.01)


def command_line(pid: int) -> str:
    """Its program and arguments; empty when it is gone."""
    proc = Path("/proc")
    if (proc / "self").exists():
        try:
            return (proc / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    listed = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
    return listed.stdout


def processor_ticks(pid: int) -> int | None:
    """How much processor time it has used, in a unit of the system's; None when that can't be told."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return int(fields[11]) + int(fields[12])  # utime and stime
    told = subprocess.run(["ps", "-p", str(pid), "-o", "time="], capture_output=True, text=True, check=False).stdout
    digits = "".join(filter(str.isdigit, told))
    return int(digits) if digits else None
