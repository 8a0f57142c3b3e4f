"""The server's clock: wall time that never goes back and never jumps.

Leases and delays are measured with it, so a wall clock set an hour forward must not end every lease at once, and one
set an hour back must not freeze every timer. It runs on the monotonic clock and, while it differs from wall time, runs
up to a tenth faster or slower until they meet.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SLEW = 0.1  # at most this fraction of the time passed is corrected: a 30 s lease stays within 27 to 33 s


def _wall_ms() -> float:
    return time.time() * 1000.0


def _monotonic_ms() -> float:
    return time.monotonic() * 1000.0


class Clock:
    """Milliseconds since 1970, non-decreasing. `wall` and `monotonic` are replaceable for tests."""

    def __init__(self, wall: Callable[[], float] = _wall_ms, monotonic: Callable[[], float] = _monotonic_ms) -> None:
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
        slew = passed * SLEW
        self._now += min(max(drift, -slew), slew)
        return int(self._now)

    def not_before(self, instant_ms: int) -> None:
        """The journal says it was `instant_ms` already: go on from there."""
        self._now = max(self._now, float(instant_ms))
