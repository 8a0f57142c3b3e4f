"""Driving sweeps: asking the engine for one step after the other, until each sweep is over.

    step -> durable -> wait as the rate says -> step -> ... -> over
       '- bytes must be looked at: load them, choose, and step with the choice

What a sweep is and did is state of the engine and durable, so a driver holds nothing: it can stop anywhere, and the
next writer's goes on. A step is bounded and waits for its turn like any request, so other traffic goes on meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from hanzo_queues._core import Command, Excerpt, Reply, step_sweep
from hanzo_queues.server.faults import ShuttingDown
from hanzo_queues.server.journal.base import Extent

logger = logging.getLogger(__name__)

RETRY_S = 1.0
WAIT_S_MAX = 60.0  # look again at least this often: somebody may have cancelled it

Load = Callable[[Reply], Awaitable[Mapping[int, bytes | Excerpt]]]
Instant = Callable[[int], Awaitable[int]]


class Sweeps:
    """The drivers of one partition's sweeps. `ask` carries out a command, durably; `load` reads what of the
    journal a reply needs."""

    def __init__(self, ask: Callable[[Command], Awaitable[Reply]], load: Load) -> None:
        self._ask = ask
        self._load = load
        self._driving: dict[int, asyncio.Task[None]] = {}

    def begin(self, sweeps: Iterable[int]) -> None:
        """Drives these sweeps, unless they are driven already."""
        for sweep in sweeps:
            if sweep not in self._driving:
                driving = asyncio.create_task(self._drive(sweep), name=f"sweep-{sweep}")
                self._driving[sweep] = driving
                driving.add_done_callback(self._ended)

    def stop(self) -> None:
        """Drives none any more. What a step under way does is done, or not, as a whole."""
        driving, self._driving = self._driving, {}
        for task in driving.values():
            task.cancel()

    def _ended(self, driving: asyncio.Task[None]) -> None:
        self._driving = {sweep: task for sweep, task in self._driving.items() if task is not driving}

    async def _drive(self, sweep: int) -> None:
        command = step_sweep(sweep)
        while True:
            try:
                reply = await self._ask(command)
                wait_ms = reply.sweep_wait_ms
                if wait_ms is None:
                    return
                batches = await self._load(reply) if reply.lsns else {}
                command = reply.next_step(sweep, batches)
                wait_s = min(wait_ms / 1000, WAIT_S_MAX)
            except ShuttingDown:
                return
            except Exception as error:
                logger.warning("sweep %d: a step failed: %s; trying again", sweep, error)
                command, wait_s = step_sweep(sweep), RETRY_S
            await asyncio.sleep(wait_s)


async def accepted_between(command: Command, kept: Extent, now_ms: int, instant: Instant) -> Command:
    """`command`, told which batches messages of the ages it asks for were accepted with, of those that the journal
    has. `instant` tells a batch's, in milliseconds; batches are in order of time, so a few
    of them tell. What was moved within the journal says itself when it was accepted."""
    if command.ages_ms is None:
        return command
    older_than_ms, newer_than_ms = command.ages_ms
    first, last = kept.first_sequence, kept.last_sequence
    if older_than_ms is not None:
        last = await _first_after(now_ms - older_than_ms, kept, instant) - 1
    if newer_than_ms is not None:
        first = await _first_after(now_ms - newer_than_ms - 1, kept, instant)
    return command.accepted(first, last)


async def _first_after(instant_ms: int, kept: Extent, instant: Instant) -> int:
    """The first LSN whose batch is later than `instant_ms`; the one after the last when none is."""
    low, high = kept.first_sequence, kept.last_sequence + 1
    while low < high:
        middle = (low + high) // 2
        if await instant(middle) > instant_ms:
            high = middle
        else:
            low = middle + 1
    return low
