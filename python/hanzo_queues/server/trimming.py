"""Trimming the journal: purging its beginning, and moving out of its way what is still needed there.

    a checkpoint reports how far back records are needed -> ask the engine which blobs are -> purge up to there
            ^                                                '- few that are needed among many that are not:
            '----------------- until there is no more to do -----  write those again at the end, and ask again

What a purge takes away is dead in every later state too, so it is safe whoever owns the partition meanwhile. A step is
bounded and waits for its turn like any request. The engine says when moves are due: as many bytes as others write.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager

from hanzo_queues._core import Command, Excerpt, Reply, trim_journal
from hanzo_queues.server.checkpoints.base import AnyRoom, CheckpointRoom, CheckpointStore
from hanzo_queues.server.faults import ShuttingDown
from hanzo_queues.server.journal.base import Extent, Journal, JournalCorrupt, JournalError
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.recovery import Recovered

logger = logging.getLogger(__name__)

RETRY_S = 5.0
PAGES_MAX = 4  # of what is to be moved, on their way at the same time; a step of all of them takes below 5 ms


class _Round:
    """Pages that are asked for, read and written at the same time. What one of them has found, another must not find
    again as long as it is not written: so what is to be moved is looked for anew only by one that is alone."""

    def __init__(self) -> None:
        self._under_way = 0
        self._changed = asyncio.Event()
        self.is_over = False

    @asynccontextmanager
    async def page(self) -> AsyncIterator[bool]:
        """One is under way. Whether it is alone."""
        self._under_way += 1
        try:
            yield self._under_way == 1
        finally:
            self._under_way -= 1
            self._changed.set()

    async def until_alone(self) -> None:
        """Returns when no page is under way, or the round is over."""
        while self._under_way > 0 and not self.is_over:
            self._changed.clear()
            await self._changed.wait()


class Trimmer:
    """Trims the journal of one partition. `ask` carries out a command, durably; `load` reads what of the journal a
    reply needs; `checkpoints` lie on the same disk, if there are any; `on_doubt` is told that the journal is not what
    was written: who reads it whole can tell. Until `reached` was called everything is needed.
    """

    def __init__(
        self,
        journal: Journal,
        payloads: Payloads,
        ask: Callable[[Command], Awaitable[Reply]],
        load: Callable[[Reply], Awaitable[Mapping[int, bytes | Excerpt]]],
        checkpoints: CheckpointStore | None = None,
        on_doubt: Callable[[Exception], None] = lambda error: None,
    ) -> None:
        self._journal = journal
        self._payloads = payloads
        self._ask = ask
        self._on_doubt = on_doubt
        self._load = load
        self._room: CheckpointRoom = checkpoints.room if checkpoints is not None else AnyRoom()
        self._horizon = 0
        self._purging = asyncio.Lock()
        self._due = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self._driving: asyncio.Task[None] | None = None

    def reached(self, horizon_lsn: int) -> None:
        """Batches before `horizon_lsn` are needed for no recovery. That batch is, so that the chain can be proved."""
        self._horizon = max(self._horizon, horizon_lsn)
        self._done.clear()
        self._due.set()

    async def trimmed(self) -> None:
        """Returns when there is no more to do for the horizon that was reached last."""
        await self._done.wait()

    def begin(self) -> None:
        """Trims from here on: at once, as what is needed became less, and whenever a horizon is reached."""
        self.stop()
        if self._horizon > 0:
            self.reached(self._horizon)
        self._driving = asyncio.create_task(self._drive(), name="trimming")

    def stop(self) -> None:
        """Trims no more. What a step under way does is done, or not, as a whole."""
        if self._driving is not None:
            self._driving.cancel()
            self._driving = None

    async def make_room(self, recovered: Recovered) -> bool:
        """Purges what neither an engine that replayed the journal nor a recovery needs any more, when there is no room
        to write with. Whether there was any. Raises JournalError."""
        if len(recovered.kept) == 2:
            self.reached(recovered.kept[0].lsn)
        first = await self._journal.first_sequence()
        return await self._purge(first, recovered.engine.oldest_live_lsn) > first

    async def _drive(self) -> None:
        while True:
            await self._due.wait()
            self._due.clear()
            try:
                await self._trim()
                if not self._due.is_set():
                    self._done.set()
            except ShuttingDown:
                return
            except JournalCorrupt as error:
                return self._on_doubt(JournalError(str(error)))
            except Exception as error:
                logger.warning("the journal could not be trimmed: %s; trying again", error)
                self._due.set()
                await asyncio.sleep(RETRY_S)

    async def _trim(self) -> None:
        """Until there is no more to do. Who asks waits for what others write, and who reads for the journal: so several
        pages are on their way, each asked for, read and written again by itself."""
        around = _Round()
        pages = [asyncio.create_task(self._trim_page_by_page(around)) for _ in range(PAGES_MAX)]
        try:
            await asyncio.gather(*pages)
        finally:
            for page in pages:
                page.cancel()
            await asyncio.gather(*pages, return_exceptions=True)

    async def _trim_page_by_page(self, around: _Round) -> None:
        while self._horizon > 0 and not around.is_over:
            extent = await self._journal.extent()
            async with around.page() as is_alone:
                found = await self._trim_page(extent, is_alone)
            if found or is_alone:
                around.is_over = not found
            else:
                await around.until_alone()

    async def _trim_page(self, extent: Extent, is_alone: bool) -> bool:
        """Asks at once, in the order of the pages. Whether there was something to move, or to look at."""
        asked = trim_journal(extent.first_sequence, extent.byte_count, self._horizon, not is_alone)
        reply = await self._ask(asked)
        assert reply.trimming is not None
        oldest_lsn, again = reply.trimming
        async with self._purging:
            await self._purge(extent.first_sequence, oldest_lsn)
        return again and (not reply.lsns or await self._move(reply))

    async def _move(self, reply: Reply) -> bool:
        """False: there is no room for it, until what was moved earlier lets go of some."""
        command = reply.moves(await self._load(reply))
        assert command is not None
        if not self._room.has_for_moves(command.batch_bytes_max):
            return False
        await self._ask(command)
        return True

    async def _purge(self, first: int, oldest_lsn: int) -> int:
        """The first sequence from here on."""
        before = min(oldest_lsn, self._horizon)
        if before <= first:
            return first
        await self._payloads.unread(before)
        await self._journal.purge(before)
        logger.debug("batches %d to %d were trimmed", first, before - 1)
        return before
