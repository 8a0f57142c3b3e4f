"""Whether a client gets on: so many bytes in every few seconds.

A total time would cut off what is large and a time since the last byte would not cut off a client that sends one byte
a second; a rate does neither. Owns one timer, and only while something is under way. Knows neither HTTP nor sockets.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from hanzo_queues.server.limits_table import LIMITS

JUDGED_EVERY_S = LIMITS["progress_judged_ms"] / 1000
BYTES_MIN = LIMITS["progress_bytes_min"]
TURN_S = 0.001
"""Until the loop has read all that had come. Where it was busy for a while, its timers ring before it reads: who judged
at once would blame a client for the server's own pause."""


class Progress:
    """Calls `on_stalled`, once, when what `moved` counts grew too slowly. `moved`: bytes, never less than before while
    this runs."""

    __slots__ = ("_last", "_loop", "_moved", "_on_stalled", "_timer")

    def __init__(
        self, loop: asyncio.AbstractEventLoop, moved: Callable[[], int], on_stalled: Callable[[], None]
    ) -> None:
        self._loop = loop
        self._moved = moved
        self._on_stalled = on_stalled
        self._last = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """From now on bytes must move. Starting what runs changes nothing."""
        if self._timer is None:
            self._arm()

    def stop(self) -> None:
        """Nothing need move any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _arm(self) -> None:
        self._last = self._moved()
        self._timer = self._loop.call_later(JUDGED_EVERY_S, self._ring)

    def _ring(self) -> None:
        self._timer = self._loop.call_later(TURN_S, self._judge)

    def _judge(self) -> None:
        self._timer = None
        if self._moved() - self._last < BYTES_MIN:
            self._on_stalled()
        else:
            self._arm()
