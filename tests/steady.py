"""An event loop whose clock does not run while nobody lets the loop run: a pause of the machine is no time to it.

Where server and client share a loop, as in most tests, a timer that rings late rings in its order all the same, and
what was ready before is done before. A loop whose clock ran on would find, after a pause, all of its timers due at
once: a client in time would be cut off with one that was not. Who talks to another process shares no clock with it,
and needs the time of all.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Mapping
from typing import Any

TURN_S_MAX = 0.01
"""Of the loop, when it waits for nothing: what took longer was a pause, or counts as one."""


class SteadyLoop(asyncio.SelectorEventLoop):
    """See the module."""

    def __init__(self) -> None:
        self.now_s = time.monotonic()
        super().__init__(_Counting(self))

    def time(self) -> float:
        """Seconds of which the loop was let run; the same throughout one turn."""
        return self.now_s


class _Counting(selectors.BaseSelector):
    def __init__(self, loop: SteadyLoop) -> None:
        self._loop = loop
        self._real = selectors.DefaultSelector()
        self._counted_until = time.monotonic()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(timeout)
        now = time.monotonic()
        passed, self._counted_until = now - self._counted_until, now
        self._loop.now_s += passed if timeout is None else min(passed, max(timeout, TURN_S_MAX))
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()
