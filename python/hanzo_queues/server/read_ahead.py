"""Reading the journal ahead of whoever goes through it in order, as consumers of a long backlog do.

    a batch is wanted, right behind the last one that was -> a run: so many batches at one request -> the next run, when
                                                                                  half of this one was wanted

One batch at a request costs more than the batch. A run that fails is no failure: what it did not bring is read by
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
BYTES_MAX = 4 * 1024 * 1024  # of a run, about
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
        self._bytes_max = min(BYTES_MAX, bytes_max // 2)  # the next run begins before this one was used up
        self._coming: dict[int, asyncio.Future[bytes | None]] = {}
        self._runs: set[asyncio.Task[None]] = set()
        self._last = -SKIPPED_MAX  # that was wanted and had to be read
        self._mark = self._end = 0  # when a batch from the one to the other is wanted, the next run begins
        self._batch_bytes = 0  # of the batch that was read last; nothing is read ahead before one was

    def wanted(self, lsn: int, durable_lsn: int) -> asyncio.Future[bytes | None] | None:
        """For each batch that an answer needs: what brings it, if a run does; that gives None when it failed.
        `durable_lsn`: how far the journal reaches."""
        if self._mark <= lsn < self._end:
            self._begin(self._end, durable_lsn)
        if lsn in self._held:
            self._last = lsn if lsn < self._end else self._last
            return None
        coming = self._coming.get(lsn)
        if coming is None and 0 < lsn - self._last <= SKIPPED_MAX:
            self._begin(lsn, durable_lsn)
            coming = self._coming.get(lsn)
        self._last = lsn
        return coming

    def read(self, batch: bytes) -> None:
        """A batch was read by itself: how large they are here."""
        self._batch_bytes = len(batch)

    def _begin(self, first: int, durable_lsn: int) -> None:
        count = min(BATCHES_MAX, self._bytes_max // self._batch_bytes) if self._batch_bytes else 0
        end = min(first + count, durable_lsn + 1)
        taken = (lsn for lsn in range(first, end) if lsn in self._held or lsn in self._coming)
        end = next(taken, end)
        self._mark, self._end = (first + end) // 2, end
        if end - first < 2:
            self._mark = self._end = 0
            return
        loop = asyncio.get_running_loop()
        self._coming |= {lsn: loop.create_future() for lsn in range(first, end)}
        run = asyncio.create_task(self._run(first, end - 1), name="read-ahead")
        self._runs.add(run)
        run.add_done_callback(self._runs.discard)

    async def _run(self, first: int, last: int) -> None:
        left = self._bytes_max
        try:
            async for lsn, batch in self._journal.read(first, last):
                verify_batch(batch)
                self._arrived(lsn, batch)
                self._batch_bytes = len(batch)
                self._coming.pop(lsn).set_result(batch)
                left -= len(batch)
                if left <= 0:
                    break  # they are larger here than before
        except (JournalError, BatchError) as error:
            logger.debug("batches %d to %d could not be read ahead: %s", first, last, error)
        finally:
            for lsn in range(first, last + 1):
                if (missed := self._coming.pop(lsn, None)) is not None:
                    missed.set_result(None)
