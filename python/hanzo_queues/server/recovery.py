"""Taking a partition over: replay its journal, then fence every earlier writer out.

    last sequence -> replay 1..last, verifying the chain -> append Fence{epoch + 1} there -> serve

The fence settles what a timed-out append left open: at its expected sequence either the fence lands, and the append
never will, or the append has landed, the fence is refused, and the next replay reads it. One that was sent behind that
append may still land behind the fence: it bears an older epoch, and replay passes it over.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Awaitable, Callable

from hanzo_queues._core import BatchError, Engine
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalFull, WrongLastSequence
from hanzo_queues.server.payloads import Payloads

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 2.0


async def no_room(_engine: Engine) -> bool:
    """There is nothing that could go."""
    return False


async def take_over(
    new_engine: Callable[[], Engine],
    journal: Journal,
    payloads: Payloads,
    clock: Clock,
    make_room: Callable[[Engine], Awaitable[bool]] = no_room,
) -> Engine:
    """An engine that holds the journal's whole state and owns it. `make_room` purges what an engine that has replayed
    the journal doesn't need, when there is no room for the fence. Raises JournalError (retry: the outcome of the
    fence is open and the next call settles it) and JournalCorrupt (don't)."""
    while True:
        engine = new_engine()
        payloads.clear()
        await replay(engine, journal, payloads.put)
        clock.not_before(engine.now_ms)
        fence = engine.fence(clock.now_ms(), secrets.token_bytes(32))
        assert fence.batch is not None
        try:
            await journal.append(fence.batch, fence.lsn - 1)
        except WrongLastSequence as refused:
            logger.warning("the journal grew during take-over (%s); replaying", refused)
            continue
        except JournalFull:
            if not await make_room(engine):
                raise
            logger.warning("the journal was full; what is no longer needed of it was purged")
            continue
        payloads.put(fence.lsn, fence.batch)
        return engine


async def replay(engine: Engine, journal: Journal, keep: Callable[[int, bytes], None]) -> None:
    """Brings an empty engine to the journal's end; `keep` is given each batch. Raises JournalError, JournalCorrupt."""
    last = await journal.last_sequence()
    started = reported = time.monotonic()
    async for sequence, batch in journal.read(1, last):
        try:
            engine.replay(sequence, batch)
        except BatchError as error:
            raise JournalCorrupt(
                f"journal batch {sequence} of {last} can't be trusted: {error}. "
                "Nothing was changed. Restore the journal's stream from a backup or another replica."
            ) from error
        keep(sequence, batch)
        if time.monotonic() - reported > PROGRESS_EVERY_S:
            reported = time.monotonic()
            logger.info("replayed %d of %d batches", sequence, last)
    logger.info(
        "replayed %d batches, %d messages in %d queues, in %.0f ms",
        last, engine.message_count, engine.queue_count, (time.monotonic() - started) * 1000,
    )  # fmt: skip
