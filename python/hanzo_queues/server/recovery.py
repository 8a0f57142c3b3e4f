"""Taking a partition over: replay its journal, then fence every earlier writer out.

    checkpoint of batch L -> replay L + 1..last, verifying the chain -> append Fence{epoch + 1} there -> serve

The fence settles what a timed-out append left open: at its expected sequence either the fence lands, and the append
never will, or the append has landed, the fence is refused, and the next replay reads it. One that was sent behind that
append may still land behind the fence: it bears an older epoch, and replay passes it over.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from hanzo_queues._core import BatchError, Engine
from hanzo_queues.server.checkpointer import Kept
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.clock import Clock
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalFull, WrongLastSequence
from hanzo_queues.server.journal.refusals import Refusals
from hanzo_queues.server.ownership import OwnershipLost
from hanzo_queues.server.payloads import Payloads
from hanzo_queues.server.restore import NotRestored, restored
from hanzo_queues.server.untrusted import START_THE_NEWER, untrusted_batch

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 2.0
REFUSED_WAIT_S = 0.1  # until the journal is read anew, where the fence was refused


class Recovered(NamedTuple):
    """An engine, and the checkpoint it began with, behind the one before that: as far as there are any."""

    engine: Engine
    kept: list[Kept]
    replayed_bytes: int = 0
    """Of the journal, behind that checkpoint."""

    @property
    def start(self) -> Kept | None:
        """The checkpoint it began with."""
        return self.kept[-1] if self.kept else None


async def no_room(_recovered: Recovered) -> bool:
    """There is nothing that could go."""
    return False


async def take_over(
    new_engine: Callable[[], Engine],
    journal: Journal,
    payloads: Payloads,
    clock: Clock,
    make_room: Callable[[Recovered], Awaitable[bool]] = no_room,
    checkpoints: CheckpointStore | None = None,
    is_owner: Callable[[], bool] = lambda: True,
) -> Recovered:
    """An engine that holds the journal's whole state and owns it. `make_room` purges what neither it nor a recovery
    needs, when there is no room for the fence. `is_owner` says whether nobody else can own it yet. Raises JournalError
    (retry: the outcome of the fence is open and the next call settles it), JournalCorrupt (don't), OwnershipLost."""
    refusals = Refusals("the journal")
    while True:
        payloads.clear()
        recovered = await recover(new_engine, journal, payloads.put, checkpoints)
        engine = recovered.engine
        if not is_owner():  # it would end whoever owns it
            raise OwnershipLost("another node may own the partition")
        clock.not_before(engine.now_ms)
        fence = engine.fence(clock.now_ms(), secrets.token_bytes(32))
        assert fence.batch is not None
        try:
            await _append(journal, fence.batch, fence.lsn - 1, partial(make_room, recovered))
        except WrongLastSequence as refused:
            refusals.note(refused, fence.lsn - 1)
            logger.warning("the journal grew during take-over (%s); replaying", refused)
            await asyncio.sleep(REFUSED_WAIT_S)
            continue
        payloads.put(fence.lsn, fence.batch)
        return recovered


async def _append(journal: Journal, batch: bytes, expected_last: int, make_room: Callable[[], Awaitable[bool]]) -> None:
    try:
        await journal.append(batch, expected_last)
    except JournalFull:  # it was not stored, so it may be sent again
        if not await make_room():
            raise
        logger.warning("the journal was full; what is no longer needed of it was purged")
        await journal.append(batch, expected_last)


async def recover(
    new_engine: Callable[[], Engine],
    journal: Journal,
    keep: Callable[[int, bytes], None],
    checkpoints: CheckpointStore | None = None,
    *,
    lost_beginning: bool = False,
) -> Recovered:
    """An engine at the journal's end; `keep` is given each batch replayed. `lost_beginning`: it may refer to batches
    that the journal has lost. Raises JournalError, JournalCorrupt."""
    while True:
        extent = await journal.extent()
        first, last = extent.first_sequence, extent.last_sequence
        try:
            recovered = await _begun(new_engine, journal, checkpoints, first, last)
            replayed_bytes = await replay(recovered.engine, journal, keep, last)
            if not lost_beginning:
                _assert_begins_early_enough(recovered.engine, first)
            return recovered._replace(replayed_bytes=replayed_bytes)
        except JournalCorrupt:
            if await journal.first_sequence() <= first:
                raise
            logger.warning("the journal was trimmed by another owner meanwhile; starting over")


def lacks_beginning(engine: Engine, first: int) -> bool:
    """Whether something of batches before `first` is needed, with which the engine's journal begins. What a trim takes
    away nobody needs: so the beginning was lost otherwise."""
    return first > 1 and engine.first_needed_lsn() < first


def _assert_begins_early_enough(engine: Engine, first: int) -> None:
    if lacks_beginning(engine, first):
        raise JournalCorrupt(
            f"the journal begins with batch {first}, but messages that wait have their payloads in earlier ones, from "
            f"batch {engine.first_needed_lsn()} on: its beginning is lost. Nothing was changed. Restore the journal's "
            "stream from a backup or another replica; or, if what is lost is lost, go on without those messages: "
            "`hanzo-queues journal repair --accept-loss`."
        )


async def _begun(
    new_engine: Callable[[], Engine], journal: Journal, checkpoints: CheckpointStore | None, first: int, last: int
) -> Recovered:
    why = NotRestored("there is none", is_newer=False)
    if checkpoints is not None:
        found = await restored(new_engine, journal, checkpoints, first, last)
        if not isinstance(found, NotRestored):
            return Recovered(*found)
        why = found
    if first > 1:
        advice = (
            "Nothing was changed. Restore the stream of the checkpoints from a backup that was made with the "
            "journal's, or from another replica."
        )
        raise JournalCorrupt(
            f"the journal begins with batch {first}, because earlier ones were trimmed, and there is no checkpoint "
            f"that could be trusted to begin with: {why.text}. {START_THE_NEWER if why.is_newer else advice}"
        )
    return Recovered(new_engine(), [])


async def replay(engine: Engine, journal: Journal, keep: Callable[[int, bytes], None], last: int) -> int:
    """Brings an engine to batch `last`; `keep` is given each batch. Returns how many bytes they have. Raises
    JournalError, JournalCorrupt."""
    first, byte_count = engine.lsn + 1, 0
    started = reported = time.monotonic()
    async for sequence, batch in journal.read(first, last):
        try:
            engine.replay(sequence, batch)
        except BatchError as error:
            raise untrusted_batch(f"{sequence} of {last}", error) from error
        keep(sequence, batch)
        byte_count += len(batch)
        if time.monotonic() - reported > PROGRESS_EVERY_S:
            reported = time.monotonic()
            logger.info("replayed %d of %d batches", sequence - first + 1, last - first + 1)
    logger.info(
        "replayed %d batches, %d messages in %d queues, in %.0f ms",
        last - first + 1, engine.message_count, engine.queue_count, (time.monotonic() - started) * 1000,
    )  # fmt: skip
    return byte_count
