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
from collections.abc import Awaitable, Callable, Mapping

from hanzo_queues._core import Command, Excerpt, Reply, trim_journal
from hanzo_queues.server.faults import ShuttingDown
from hanzo_queues.server.journal.base import Journal
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.recovery import Recovered

logger = logging.getLogger(__name__)

RETRY_S = 5.0
PAGES_MAX = 4  # of what is to be moved, on their way at the same time; a step of all of them takes below 5 ms


class Trimmer:
    """Trims the journal of one partition. `ask` carries out a command, durably; `load` reads what of the journal a
    reply needs. Until `reached` was called everything is needed."""

    def __init__(
        self,
        journal: Journal,
        payloads: Payloads,
        ask: Callable[[Command], Awaitable[Reply]],
        load: Callable[[Reply], Awaitable[Mapping[int, bytes | Excerpt]]],
    ) -> None:
        self._journal = journal
        self._payloads = payloads
        self._ask = ask
        self._load = load
        self._horizon = 0
        self._first = 0
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
            except Exception as error:
                logger.warning("the journal could not be trimmed: %s; trying again", error)
                self._due.set()
                await asyncio.sleep(RETRY_S)

    async def _trim(self) -> None:
        """Until there is no more to do. Who asks waits for what others write, and who reads for the journal: so several
        pages are on their way, each asked for, read and written again by itself."""
        self._first = await self._journal.first_sequence()
        pages = [asyncio.create_task(self._trim_page_by_page()) for _ in range(PAGES_MAX)]
        try:
            await asyncio.gather(*pages)
        finally:
            for page in pages:
                page.cancel()
            await asyncio.gather(*pages, return_exceptions=True)

    async def _trim_page_by_page(self) -> None:
        while self._horizon > 0:
            byte_count = await self._journal.byte_count()
            reply = await self._ask(trim_journal(self._first, byte_count, self._horizon))
            assert reply.trimming is not None
            oldest_lsn, again = reply.trimming
            async with self._purging:
                self._first = await self._purge(self._first, oldest_lsn)
            if reply.lsns:
                await self._move(reply)
            elif not again:
                return  # who still moves a page asks again

    async def _move(self, reply: Reply) -> None:
        command = reply.moves(await self._load(reply))
        assert command is not None
        await self._ask(command)

    async def _purge(self, first: int, oldest_lsn: int) -> int:
        """The first sequence from here on."""
        before = min(oldest_lsn, self._horizon)
        if before <= first:
            return first
        await self._payloads.unread(before)
        await self._journal.purge(before)
        logger.debug("batches %d to %d were trimmed", first, before - 1)
        return before
