"""Reading the journal ahead of whoever goes through it in order, as consumers of a long backlog do.

    a batch is wanted, right behind the last one that was -> some runs, each so many batches at one request
                     '-> and one that a run will bring, or brought: another run, so that as many are ahead of it

One batch at a request costs more than the batch. Appends are answered on the same connection, behind the run that is
being sent: so runs are short, and several are ahead. A run that fails is no failure: what it did not bring is read by
itself, by whoever wants it. Holds no bytes: what arrives is given on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Container

from hanzo_queues._core import BatchError, verify_batch
from hanzo_queues.server.journal.base import Journal, JournalError

logger = logging.getLogger(__name__)

BATCHES_MAX = 64  # of a run
BYTES_MAX = 2 * 1024 * 1024  # of a run, about
RUNS_AHEAD = 4
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
        self._bytes_max = min(BYTES_MAX, bytes_max // RUNS_AHEAD)
        self._coming: dict[int, asyncio.Future[bytes | None]] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._last = -SKIPPED_MAX  # that was wanted and had to be read
        self._start = self._end = 0  # all batches from the one to the other were asked for
        self._batch_bytes = 0  # of the batch that was read last; nothing is read ahead before one was

    def wanted(self, lsn: int, durable_lsn: int) -> asyncio.Future[bytes | None] | None:
        """For each batch that an answer needs: what brings it, if a run does; that gives None when it failed.
        `durable_lsn`: how far the journal reaches."""
        if self._start <= lsn < self._end:
            self._keep_ahead_of(lsn, durable_lsn)
        if lsn in self._held:
            self._last = lsn if lsn < self._end else self._last
            return None
        coming = self._coming.get(lsn)
        if coming is None and 0 < lsn - self._last <= SKIPPED_MAX:
            self._start = self._end = lsn
            self._keep_ahead_of(lsn, durable_lsn)
            coming = self._coming.get(lsn)
        self._last = lsn
        return coming

    def read(self, batch: bytes) -> None:
        """A batch was read by itself: how large they are here."""
        self._batch_bytes = len(batch)

    def _keep_ahead_of(self, lsn: int, durable_lsn: int) -> None:
        count = min(BATCHES_MAX, self._bytes_max // self._batch_bytes) if self._batch_bytes else 0
        while count and self._end - lsn <= count * (RUNS_AHEAD - 1):
            end = min(self._end + count, durable_lsn + 1)
            taken = (at for at in range(self._end, end) if at in self._held or at in self._coming)
            end = next(taken, end)
            if end <= self._end:
                self._start = self._end = 0
                return
            self._begin(self._end, end - 1)
            self._end = end

    def _begin(self, first: int, last: int) -> None:
        loop = asyncio.get_running_loop()
        self._coming |= {lsn: loop.create_future() for lsn in range(first, last + 1)}
        run = asyncio.create_task(self._run(first, last), name="read-ahead")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, first: int, last: int) -> None:
        try:
            for lsn, batch in await self._journal.fetch_run(first, last, self._bytes_max):
                verify_batch(batch)
                self._arrived(lsn, batch)
                self._batch_bytes = len(batch)
                self._coming.pop(lsn).set_result(batch)
        except (JournalError, BatchError) as error:
            logger.debug("batches %d to %d could not be read ahead: %s", first, last, error)
        finally:
            for lsn in range(first, last + 1):
                if (missed := self._coming.pop(lsn, None)) is not None:
                    missed.set_result(None)
