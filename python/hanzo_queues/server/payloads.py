"""Where payload bytes come from: recent batches in memory up to a budget, older ones from the journal.

Holds whole journal batches by LSN, least recently used first out. Those of which nothing is needed any more go as soon
as the engine says so: what comes next takes their memory, which the processor has at hand. The engine knows only
locations in them. A batch fetched back is verified by its hash before anything of it is handed out. It can be megabytes
for one small payload, so an answer that gathers old messages keeps excerpts, and only a few batches are being read at
the same time. Answers that go through the journal in order have it read ahead.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

from hanzo_queues._core import BatchError, Excerpt, Reply, batch_now_ms, verify_batch
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalError
from hanzo_queues.server.read_ahead import ReadAhead
from hanzo_queues.server.untrusted import untrusted_batch

logger = logging.getLogger(__name__)

FETCHES_MAX = 8  # batches being read back at the same time, for all answers
FETCHES_MAX_EACH = 4  # for one answer
FORGOTTEN_MAX = 64  # batches at a time: a range of the journal that is done with may have thousands
IN_FLIGHT_MAX = 4  # of the newest batches, that may not be durable yet: docs/adr/0005


class Payloads:
    """The batches of one partition. `memory_bytes_max` bounds what is held, except that the newest is always."""

    def __init__(self, journal: Journal, memory_bytes_max: int) -> None:
        self._journal = journal
        self._memory_bytes_max = memory_bytes_max
        self._batches: OrderedDict[int, bytes] = OrderedDict()
        self._ahead = ReadAhead(journal, self.put, self._batches, memory_bytes_max // 4)
        self._newest_lsn = 0
        self._first_lsn = 0  # batches before it were let go of
        self._fetching: dict[int, asyncio.Future[bytes]] = {}
        self.memory_bytes = 0
        self._reading = asyncio.Semaphore(FETCHES_MAX)
        self._loads: dict[asyncio.Future[None], int] = {}  # under way, with the first batch that each needs
        self._trimmed_before = 0

    def put(self, lsn: int, batch: bytes) -> None:
        """Keeps a batch, and lets go of the least recently used ones over the budget."""
        previous = self._batches.pop(lsn, None)
        if previous is not None:
            self.memory_bytes -= len(previous)
        self._batches[lsn] = batch
        self._newest_lsn = max(self._newest_lsn, lsn)
        self._first_lsn = min(self._first_lsn or lsn, lsn)
        self.memory_bytes += len(batch)
        while self.memory_bytes > self._memory_bytes_max and len(self._batches) > 1:
            _, dropped = self._batches.popitem(last=False)
            self.memory_bytes -= len(dropped)

    def forget_before(self, lsn: int) -> None:
        """The engine needs nothing of the batches before this one. Some of them go: more than come between two calls.
        An answer that is not rendered yet may need one, where its message was deleted since: it is read back."""
        first = self._first_lsn
        if first >= lsn:
            return
        self._first_lsn = min(lsn, first + FORGOTTEN_MAX)
        for forgotten in range(first, self._first_lsn):
            batch = self._batches.pop(forgotten, None)
            if batch is not None:
                self.memory_bytes -= len(batch)

    def clear(self) -> None:
        """Forgets every batch: what was held may not be what the journal holds."""
        self._batches.clear()
        self.memory_bytes = self._newest_lsn = self._first_lsn = 0

    async def unread(self, before_lsn: int) -> None:
        """Returns when nobody reads batches before this one any more; from here on they may be purged."""
        while under_way := [load for load, first_lsn in self._loads.items() if first_lsn < before_lsn]:
            await asyncio.wait(under_way)
        self._trimmed_before = max(self._trimmed_before, before_lsn)

    def held(self, reply: Reply) -> dict[int, bytes] | None:
        """What `reply` needs to be rendered, when all of it is in memory."""
        batches = self._batches
        lsns = reply.lsns
        for lsn in lsns:
            if lsn not in batches:
                return None
        for lsn in lsns:
            self._ahead.wanted(lsn, self._newest_lsn - IN_FLIGHT_MAX)
            batches.move_to_end(lsn)
        return {lsn: batches[lsn] for lsn in lsns}

    async def load(self, reply: Reply) -> dict[int, bytes | Excerpt]:
        """What `reply` needs to be rendered. Raises JournalError; nothing is changed by it."""
        ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._loads[ended] = min(reply.lsns, default=self._trimmed_before)
        try:
            return await self._found(reply)
        finally:
            del self._loads[ended]
            ended.set_result(None)

    async def _found(self, reply: Reply) -> dict[int, bytes | Excerpt]:
        found: dict[int, bytes | Excerpt] = {}
        missing: list[int] = []
        for lsn in reply.lsns:
            coming = self._ahead.wanted(lsn, self._newest_lsn - IN_FLIGHT_MAX)
            batch = self._batches.get(lsn)
            if batch is not None:
                self._batches.move_to_end(lsn)
                found[lsn] = batch
            elif coming is not None and (batch := await asyncio.shield(coming)) is not None:
                found[lsn] = reply.excerpt(lsn, batch)
            else:
                missing.append(lsn)
        for start in range(0, len(missing), FETCHES_MAX_EACH):
            wanted = missing[start : start + FETCHES_MAX_EACH]
            for lsn, batch in zip(wanted, await asyncio.gather(*map(self._fetch, wanted)), strict=True):
                found[lsn] = reply.excerpt(lsn, batch)
        return found

    async def instant_ms(self, lsn: int) -> int:
        """When the batch at `lsn` was decided. Raises JournalError."""
        batch = self._batches.get(lsn)
        return batch_now_ms(await self._fetch(lsn) if batch is None else batch)

    async def _fetch(self, lsn: int) -> bytes:
        """One fetch a batch, however many answers wait for it."""
        under_way = self._fetching.get(lsn)
        if under_way is None:
            under_way = asyncio.ensure_future(self._read(lsn))
            self._fetching[lsn] = under_way
            under_way.add_done_callback(lambda _: self._fetching.pop(lsn, None))
        return await asyncio.shield(under_way)

    async def _read(self, lsn: int) -> bytes:
        async with self._reading:
            try:
                batch = await self._journal.fetch(lsn)
            except JournalCorrupt as error:
                if lsn < self._trimmed_before:
                    raise JournalError(f"batch {lsn} was trimmed meanwhile") from error
                raise
            try:
                verify_batch(batch)
            except BatchError as error:
                batch = await self._read_from_leader(lsn, error)
        self.put(lsn, batch)
        return batch

    async def _read_from_leader(self, lsn: int, found: BatchError) -> bytes:
        """A replica's copy is damaged; the leader's may not be."""
        async for _, batch in self._journal.read(lsn, lsn):
            try:
                verify_batch(batch)
            except BatchError as error:
                raise untrusted_batch(f"{lsn}", error) from found
            logger.warning("batch %d: a replica's copy is damaged (%s); the leader's is not", lsn, found)
            return batch
        raise JournalCorrupt(
            f"journal batch {lsn} is gone. Nothing was changed. Restore the journal's stream from a backup."
        ) from found
