"""The server's clock: wall time that never goes back and does not follow every jump.

Leases and delays are measured with it, so a wall clock set some minutes forward must not end every lease at once, and
one set back must not freeze every timer. It runs on the monotonic clock (which counts the time asleep where the
system can) and, while it differs from wall time, runs up to a tenth faster or slower until they meet. Only a wall
clock far ahead is believed at once: it was wrong before, as on a machine that had no time yet when it started.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

logger = logging.getLogger(__name__)

SLEW = 0.1  # at most this fraction of the time passed is corrected: a 30 s lease stays within 27 to 33 s
JUMP_MS = 10 * 60 * 1000.0  # from here on waiting for the slew would delay messages for hours


def _wall_ms() -> float:
    return time.time() * 1000.0


def monotonic_ms() -> float:
    """Since some instant; goes on while the machine sleeps, where the system can tell."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)  # Linux: goes on while the machine sleeps
    return (time.monotonic() if boot_time is None else time.clock_gettime(boot_time)) * 1000.0


class Clock:
    """Milliseconds since 1970, non-decreasing. `wall` and `monotonic` are replaceable for tests."""

    def __init__(self, wall: Callable[[], float] = _wall_ms, monotonic: Callable[[], float] = monotonic_ms) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._now = wall()
        self._read_at = monotonic()

    def now_ms(self) -> int:
        """The time now."""
        read_at = self._monotonic()
        passed = read_at - self._read_at
        self._read_at = read_at
        self._now += passed
        drift = self._wall() - self._now
        if drift > JUMP_MS:
            logger.warning("the wall clock is %.0f s ahead: following it at once", drift / 1000)
            self._now += drift
        else:
            slew = passed * SLEW
            self._now += min(max(drift, -slew), slew)
        return int(self._now)

    def not_before(self, instant_ms: int) -> None:
        """The journal says it was `instant_ms` already: go on from there. What passed since the last look counts
        first: it lies before that instant, not behind it."""
        self.now_ms()
        self._now = max(self._now, float(instant_ms))
