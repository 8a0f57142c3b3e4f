"""Runs declared consumers until told to stop: by a signal, by `stop()`, or by one that can't start.

The first SIGINT or SIGTERM stops gracefully; a second one ends the grace. Signals are only touched from the main
thread, and restored afterwards.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from hanzo_queues.client.consumer import Consumer
from hanzo_queues.client.registration import Registration

if TYPE_CHECKING:
    from hanzo_queues.client.async_queues import AsyncQueues

GRACE = 30.0
"""Seconds handlers may take to finish after a stop."""


async def run_consumers(
    client: AsyncQueues, registrations: Sequence[Registration], stopping: asyncio.Event, grace: float, signals: bool
) -> None:
    """Until `stopping` is set and every consumer has stopped. Raises what kept one from starting."""
    if not registrations:
        raise ValueError("nothing to run: declare a consumer first, with @queues.consumer(...)")
    if stopping.is_set():
        return
    hurry = asyncio.Event()
    runs = [
        asyncio.create_task(Consumer(client, registration).run(stopping, hurry, grace))
        for registration in registrations
    ]
    try:
        with _signals(stopping, hurry) if signals else nullcontext():
            await asyncio.wait(runs, return_when=asyncio.FIRST_COMPLETED)
            stopping.set()
            await asyncio.wait(runs)
    except asyncio.CancelledError:
        stopping.set()
        hurry.set()
        await asyncio.wait(runs)
        raise
    for run in runs:
        run.result()


@contextmanager
def _signals(stopping: asyncio.Event, hurry: asyncio.Event) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()

    def stop(*_: object) -> None:
        loop.call_soon_threadsafe(hurry.set if stopping.is_set() else stopping.set)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
