"""The composition root: settings and a journal become a running server, and stop again in reverse.

    build -> start: open the journal -> limits, parser -> partition recovers -> serving
             stop_parking -> close: partition, then journal

Its HTTP application answers from the start; readiness tells how far the rest is. Knows every part and no socket.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp

from hanzo_queues._core import Parser, step_batch_bytes_min
from hanzo_queues.server.auth import ApiKeys
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.disk_room import anywhere
from hanzo_queues.server.edge import Edge
from hanzo_queues.server.ending import end
from hanzo_queues.server.faults import Fault, ShuttingDown
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalError, JournalRefused
from hanzo_queues.server.limits_table import with_settings, within_batch
from hanzo_queues.server.outage import Outage
from hanzo_queues.server.own_engine import engine_of
from hanzo_queues.server.ownership import OwnershipLease
from hanzo_queues.server.partition import Partition
from hanzo_queues.server.router import Router
from hanzo_queues.server.routes import build_routes
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import OWN_PARTITION, StartRefused, only_wait

logger = logging.getLogger(__name__)

OPEN_DELAYS_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
PAYLOAD_BYTES_MAX_LEAST = 1024


class App:
    """One server without its socket. `http` is the ASGI application.

    `checkpoints` of the journal are kept there; None: none are taken.
    `ownership` says when it may write the journal; None: always. `admit` refuses messages that find no room. `on_stuck`
    is awaited when the journal keeps failing; `restart` starts a nats-server of its own anew; `on_failed` is called
    with a sentence when the server can't serve any more; `on_serving` once, when it does for the first time.
    """

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        keys: ApiKeys,
        *,
        checkpoints: CheckpointStore | None = None,
        clock: Clock | None = None,
        ownership: OwnershipLease | None = None,
        admit: Callable[[int, int], None] = anywhere,
        on_stuck: Callable[[], Awaitable[None]] = only_wait,
        restart: Callable[[], Awaitable[None]] | None = None,
        on_failed: Callable[[str], None] = logger.critical,
        on_serving: Callable[[], None] = lambda: None,
    ) -> None:
        limits = with_settings(
            payload_bytes_max=settings.payload_bytes_max, batch_entries_max=settings.batch_entries_max
        )
        self._settings = settings
        self._journal = journal
        self._checkpoints = checkpoints
        self._on_failed = on_failed
        self._on_serving = on_serving
        self.partition = Partition(
            OWN_PARTITION,
            journal,
            new_engine=engine_of(settings, limits),
            checkpoints=checkpoints,
            checkpoint_bytes=settings.checkpoint_bytes,
            clock=clock,
            ownership=ownership,
            payload_memory_bytes=settings.payload_memory_bytes,
            requests_max=limits["inflight_requests_max"],
            polls_max=limits["parked_polls_max"],
            on_stuck=on_stuck,
            restart=restart,
            on_failed=on_failed,
        )
        if ownership is not None:
            ownership.on_lost = self.partition.lose_ownership
        self.edge = Edge(Router([self.partition]), keys, limits, admit)
        self.http: ASGIApp = build_routes(self.edge)
        self._starting: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to open the journal and to recover; returns at once."""
        self._starting = asyncio.create_task(self._start(), name="start")

    def stop_parking(self) -> None:
        """Answers every waiting poll; from here on none waits."""
        self.partition.stop_parking()

    async def close(self) -> None:
        """Answers what was asked, then closes the partition and its journal."""
        if self._starting is not None:
            await end(self._starting)
        await self.partition.close()
        await self._journal.close()
        if self._checkpoints is not None:
            await self._checkpoints.close()

    async def _start(self) -> None:
        """However it ends, somebody is told: a server that will never serve must not look as if it recovered."""
        try:
            await self._open_journal()
            self._admit_requests()
            self.partition.start()
            await self._first_answer()
            self._on_serving()
        except ShuttingDown:
            pass
        except (JournalCorrupt, JournalRefused, StartRefused) as error:
            self._on_failed(str(error))
        except Exception as error:
            logger.exception("the start met a bug")
            self._on_failed(f"the start met a bug, and the server can't serve: {type(error).__name__}: {error}")

    async def _open_journal(self) -> None:
        outage = Outage("the journal can't be opened yet", logger, OPEN_DELAYS_S)
        while True:
            try:
                await self._journal.open()
                if self._checkpoints is not None:
                    await self._checkpoints.open()
                return outage.over()
            except (JournalCorrupt, JournalRefused):
                raise
            except JournalError as error:
                await asyncio.sleep(outage.failed(error))

    def _admit_requests(self) -> None:
        """The journal is open, so it is known what a request may carry."""
        wanted = self.edge.limits
        room = self._journal.batch_bytes_max - step_batch_bytes_min()
        limits = within_batch(wanted, room)
        if limits["payload_bytes_max"] < PAYLOAD_BYTES_MAX_LEAST:
            raise StartRefused(
                f"a journal batch may have {self._journal.batch_bytes_max} bytes, too few for any message: raise the "
                "nats-server's max_payload to 1MB at least, 8MB for full batches."
            )
        lowered = limits["payload_bytes_max"] < wanted["payload_bytes_max"]
        if lowered:
            logger.warning(
                "payloads may have %d bytes, not HANZO_MAX_PAYLOAD: the nats-server's max_payload allows no more",
                limits["payload_bytes_max"],
            )
        parser = Parser(
            limits,
            visibility_timeout_ms=self._settings.visibility_timeout_ms,
            max_retries=self._settings.max_retries,
            payload_limit_source="the nats-server's max_payload" if lowered else "HANZO_MAX_PAYLOAD",
        )
        self.edge.open(parser, limits, room)

    async def _first_answer(self) -> None:
        """Returns when the partition serves, however long its recovery takes."""
        question = self.edge.parser.list_queues(None, 1)
        while True:
            try:
                await self.partition.submit(question)
                return
            except ShuttingDown:
                raise
            except Fault as fault:
                await asyncio.sleep(fault.retry_after_s or 1.0)
