"""An event loop whose time can be skipped: what is due in it happens at once, in order, timer after timer.

    idle, a skip under way --> jump to the next timer, or to the skip's end --> run what is due --> idle

It jumps only when nothing is left to do, so what a timer causes is done before the next one. A skip of a and one of b
are a skip of a + b, to the microsecond where time stands still otherwise. Knows nothing of queues.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Callable

MICROSECONDS = 1_000_000


class _Selector(selectors.DefaultSelector):
    """Tells when its loop has nothing to do but wait. `timers_come_due`: by themselves, as time passes."""

    def __init__(self, on_idle: Callable[[float | None], bool], timers_come_due: bool) -> None:
        super().__init__()
        self._on_idle = on_idle
        self._timers_come_due = timers_come_due

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """`timeout`: seconds to the first timer; None: there is none; 0: callbacks are ready."""
        if timeout is None or timeout > 0:
            arrived = super().select(0)
            if arrived or self._on_idle(timeout):
                return arrived
            timeout = timeout if self._timers_come_due else None
        return super().select(timeout)


class SkippingLoop(asyncio.SelectorEventLoop):
    """Time passes as `skip` says, and (`running`) by itself besides. What was skipped is counted in `skipped_us`."""

    def __init__(self, *, running: bool) -> None:
        self.skipped_us = 0
        self._running = running
        self._began = time.monotonic()
        self._frozen_at: float | None = None
        self._skips = False
        self._until_us: int | None = None
        self._over: asyncio.Future[None] | None = None
        super().__init__(_Selector(self._idle, running))

    def time(self) -> float:
        """Seconds. During a skip they stand still, but for what is skipped."""
        return self._began + self._passed() + self.skipped_us / MICROSECONDS

    def _passed(self) -> float:
        if not self._running:
            return 0.0
        return (time.monotonic() if self._frozen_at is None else self._frozen_at) - self._began

    async def skip(self, seconds: float | None) -> None:
        """Skips so many seconds, or (None) to the next timer. Returns when nothing is left to do at the end. To be
        awaited in this loop; who comes second waits."""
        while self._over is not None:
            await asyncio.wait([self._over])
        self._over = self.create_future()
        self._frozen_at = time.monotonic()
        self._skips = True
        self._until_us = None if seconds is None else self.skipped_us + round(seconds * MICROSECONDS)
        await asyncio.shield(self._over)

    def _idle(self, timeout: float | None) -> bool:
        """Nothing is ready. True: look again at once."""
        if self._over is None:
            return False
        if not self._skips:
            return self._end()
        jump_us = None if timeout is None else max(1, round(timeout * MICROSECONDS))
        if self._until_us is None:
            self.skipped_us += jump_us or 0
            self._skips = False
        elif jump_us is not None and self.skipped_us + jump_us <= self._until_us:
            self.skipped_us += jump_us
        else:
            self.skipped_us = self._until_us
            self._skips = False
        return True

    def _end(self) -> bool:
        over, self._over = self._over, None
        self._frozen_at = None
        assert over is not None
        if not over.done():
            over.set_result(None)
        return True
