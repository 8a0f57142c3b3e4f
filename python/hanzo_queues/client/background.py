"""An event loop in one daemon thread, for code that blocks.

Started at the first call, shared by all threads, ended by `close` or at exit. Safe to fork: a child process starts
its own; the parent's sockets and loop are kept, untouched and unclosed, because closing them in the child would
disturb the parent's.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import CancelledError
from typing import Any, Generic, TypeVar

from hanzo_queues.errors import ClientClosed

C = TypeVar("C")
R = TypeVar("R")

_inherited: list[object] = []


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where it exists: about half the latency."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop()
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


class Background(Generic[C]):
    """Holds one `C`, made and used on the loop's thread only."""

    def __init__(self, make: Callable[[], C], close: Callable[[C], Awaitable[object]]) -> None:
        self._make = make
        self._close = close
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._guard = threading.RLock()  # a signal handler or a finalizer may call inside a call
        self._started: tuple[asyncio.AbstractEventLoop, threading.Thread, C] | None = None
        self._closed = False

    def call(self, work: Callable[[C], Coroutine[Any, Any, R]]) -> R:
        """Runs `work` on the loop and waits for its result. Interrupting the wait cancels it."""
        if self._pid != os.getpid():
            _inherited.append(self._started)
            self._reset()
        with self._guard:  # so that no work comes after the close that would see to it
            loop, thread, content = self._start()
            if threading.current_thread() is thread:
                raise RuntimeError("a blocking call inside the client's own event loop would wait for itself")
            future = asyncio.run_coroutine_threadsafe(work(content), loop)
        try:
            return future.result()
        except CancelledError:  # nobody cancels it but a close that waited long enough
            raise ClientClosed(outcome="unknown") from None
        except BaseException:
            future.cancel()
            raise

    def _start(self) -> tuple[asyncio.AbstractEventLoop, threading.Thread, C]:
        if self._closed:
            raise ClientClosed
        if self._started is None:
            loop = new_event_loop()
            thread = threading.Thread(target=_run, args=(loop,), name="hanzo-queues", daemon=True)
            thread.start()
            self._started = (loop, thread, self._make())
            atexit.register(self.close)
        return self._started

    def close(self) -> None:
        """Ends the loop and its thread. Calls that wait in other threads raise ClientClosed."""
        if self._pid != os.getpid():
            return
        with self._guard:
            self._closed = True
            started, self._started = self._started, None
        atexit.unregister(self.close)
        if started is None:
            return
        loop, thread, content = started
        asyncio.run_coroutine_threadsafe(_closed(self._close, content), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _closed(close: Callable[[C], Awaitable[object]], content: C) -> None:
    await close(content)
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    if rest:
        _, late = await asyncio.wait(rest, timeout=1.0)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    loop.run_forever()
