"""Reading the journal ahead of those who go through it in order, as consumers of long backlogs do.

    a batch is wanted, right behind the last one that was -> a run: so many batches at one request -> the run behind it
                     '-> and one that a run will bring, or brought: they go on, until enough is ahead of it

One batch at a request costs more than the batch. How large batches are is known when they are there, so each run begins
where the last one ended. Appends are answered on the same connection, behind the run that is being sent: so runs are
short. A run that fails is no failure: what it did not bring is read by itself, by whoever wants it. Holds no bytes:
what arrives is given on.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Container

from hanzo_queues._core import BatchError, verify_batch
from hanzo_queues.server.journal.base import Journal, JournalError

logger = logging.getLogger(__name__)

WALKS_MAX = 4  # through the journal at the same time: of queues whose backlogs lie apart
AHEAD_MAX = 2  # runs, of each
BATCHES_MAX = 256  # of a run
BYTES_MAX = 2 * 1024 * 1024  # of a run, about
SKIPPED_MAX = 8  # batches that nobody wanted, between two that follow each other: acks and leases lie in between


class ReadAhead:
    """`arrived` is given each batch, verified. `held`: batches that need not be read. `bytes_max`: that may be held
    ahead."""

    def __init__(
        self, journal: Journal, arrived: Callable[[int, bytes], None], held: Container[int], bytes_max: int
    ) -> None:
        self._journal = journal
        self._arrived = arrived
        self._held = held
        self._run_bytes_max = min(BYTES_MAX, bytes_max // (WALKS_MAX * AHEAD_MAX))
        self._durable_lsn = 0
        self._walks: list[_Walk] = []  # first the one that nobody followed for longest

    def wanted(self, lsn: int, durable_lsn: int) -> asyncio.Future[bytes | None] | None:
        """For each batch that an answer needs: what brings it, if a run does; that gives None when it failed.
        `durable_lsn`: how far the journal reaches."""
        self._durable_lsn = durable_lsn
        walk = self._walks[-1] if self._walks else None
        if walk is None or not walk.first <= lsn <= walk.furthest:
            walk = self._walk_by(lsn)
        return walk.wanted(lsn)

    def _walk_by(self, lsn: int) -> _Walk:
        """The one that whoever wants this batch may go, or a new one."""
        for walk in reversed(self._walks):
            if walk.first <= lsn <= walk.furthest:
                break
        else:
            walk = _Walk(lsn, self._run_from, self._held, self._run_bytes_max * (AHEAD_MAX - 1))
            self._walks = [*self._walks[1 - WALKS_MAX :], walk]
        if walk is not self._walks[-1]:
            self._walks.remove(walk)
            self._walks.append(walk)
        return walk

    async def _run_from(self, first: int) -> list[tuple[int, bytes]]:
        """As many batches as a run takes, until one that need not be read; none when that fails."""
        end = min(first + BATCHES_MAX, self._durable_lsn + 1)
        end = next((lsn for lsn in range(first, end) if lsn in self._held), end)
        found: list[tuple[int, bytes]] = []
        if first < end and self._run_bytes_max:
            try:
                for lsn, batch in await self._journal.fetch_run(first, end - 1, self._run_bytes_max):
                    verify_batch(batch)
                    self._arrived(lsn, batch)
                    found.append((lsn, batch))
            except (JournalError, BatchError) as error:
                logger.debug("batches %d to %d could not be read ahead: %s", first, end - 1, error)
        return found


class _Walk:
    """One way through the journal: `wanted` is told the batches in order, `run_from` brings those behind them."""

    def __init__(
        self,
        lsn: int,
        run_from: Callable[[int], Awaitable[list[tuple[int, bytes]]]],
        held: Container[int],
        ahead_bytes_max: int,
    ) -> None:
        self._run_from = run_from
        self._held = held
        self._ahead_bytes_max = ahead_bytes_max
        self._last = lsn  # that was wanted
        self._next = 0  # that a run brings; 0: nothing is read ahead
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[int, asyncio.Future[bytes | None]] = {}
        self._ahead: deque[tuple[int, int]] = deque()  # what was brought and not wanted yet, and its bytes
        self._ahead_bytes = 0
        self._run_count = 0  # batches of the last run: about as many as the next one brings
        self._look()

    def _look(self) -> None:
        """Who wants a batch between `first` and `furthest` may be the one that goes this way."""
        self.first = self._last - SKIPPED_MAX
        self.furthest = max(self._last + SKIPPED_MAX, self._next + self._run_count - 1 if self._next else 0)

    def wanted(self, lsn: int) -> asyncio.Future[bytes | None] | None:
        """See `ReadAhead.wanted`."""
        if lsn == self._last and lsn in self._held:
            return None
        goes_on = lsn > self._last
        if goes_on:
            self._last = lsn
        while self._ahead and self._ahead[0][0] <= lsn:
            self._ahead_bytes -= self._ahead.popleft()[1]
        if lsn not in self._held:
            if goes_on and not self._next:
                self._next = lsn
            if self._next and lsn >= self._next and lsn not in self._waiting:
                self._waiting[lsn] = asyncio.get_running_loop().create_future()
        if self._next and self._reading is None and self._ahead_bytes <= self._ahead_bytes_max:
            self._reading = asyncio.create_task(self._read(), name="read-ahead")
        self._look()
        return self._waiting.get(lsn)

    async def _read(self) -> None:
        try:
            while self._ahead_bytes <= self._ahead_bytes_max:
                run = await self._run_from(self._next)
                self._run_count = len(run)
                if not run:
                    self._next = 0
                    break
                for lsn, batch in run:
                    if (waiting := self._waiting.pop(lsn, None)) is not None:
                        waiting.set_result(batch)
                    if lsn > self._last:
                        self._ahead.append((lsn, len(batch)))
                        self._ahead_bytes += len(batch)
                self._next = run[-1][0] + 1
                self._look()
        finally:
            self._reading = None
            self._look()
            missed, self._waiting = self._waiting, {}
            for waiting in missed.values():
                waiting.set_result(None)
