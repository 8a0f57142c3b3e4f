"""The runs of a client, and how they are told to stop: from any thread or signal handler, also before they begin."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Runs:
    """Those under way, of any thread. A stop before the first one is kept for it; one that comes when a run has just
    ended was meant for that, and the next begins as usual."""

    def __init__(self) -> None:
        self._guard = threading.RLock()  # a signal handler may stop inside a beginning
        self._under_way: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._has_begun = False
        self._stop_is_kept = False

    def __len__(self) -> int:
        return len(self._under_way)

    @contextmanager
    def begun(self) -> Iterator[asyncio.Event]:
        """A run on the running loop. The event is set when it is to stop, perhaps from the beginning."""
        run = (asyncio.get_running_loop(), asyncio.Event())
        with self._guard:
            self._under_way.add(run)
            if self._stop_is_kept:
                run[1].set()
            self._has_begun, self._stop_is_kept = True, False
        try:
            yield run[1]
        finally:
            with self._guard:
                self._under_way.discard(run)

    def stop(self) -> None:
        """All of them, or the first one before it has begun."""
        with self._guard:
            self._stop_is_kept = not self._has_begun
            for loop, stopping in self._under_way:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(stopping.set)
