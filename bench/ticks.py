"""A clock that rings at a rate, in an event loop: the kernel's own (timerfd), since the timers of event loops are of
whole milliseconds, and whoever sends 2,000 a second by them is late by half of one."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import os
import struct
import time
from collections.abc import AsyncGenerator

SECOND_NS = 1_000_000_000


async def ticks(rate: int, after: float) -> AsyncGenerator[float, None]:
    """The monotonic instant of each tick, `rate` a second, when it is due: the first `after` seconds from now. Those
    that were missed come at once. Raises OSError."""
    loop = asyncio.get_running_loop()
    first_ns, every_ns = time.monotonic_ns() + int(after * SECOND_NS), SECOND_NS // rate
    clock = _timerfd(first_ns, every_ns)
    rung = asyncio.Event()
    due = 0  # so many ticks until now

    def ring() -> None:
        nonlocal due
        due += int.from_bytes(os.read(clock, 8), "little")
        rung.set()

    loop.add_reader(clock, ring)
    try:
        for number in itertools.count():
            while number == due:
                rung.clear()
                await rung.wait()
            yield (first_ns + number * every_ns) / SECOND_NS
    finally:
        loop.remove_reader(clock)
        os.close(clock)


def _timerfd(first_ns: int, every_ns: int) -> int:
    """Python has it from 3.13 on."""
    libc = ctypes.CDLL(None, use_errno=True)
    clock: int = libc.timerfd_create(time.CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    times = struct.pack("@4q", *divmod(every_ns, SECOND_NS), *divmod(first_ns, SECOND_NS))
    absolute = 1
    if clock < 0 or libc.timerfd_settime(clock, absolute, times, None) != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return clock
