"""`hanzo-queues journal repair`: makes startable what a start refuses or begins slowly, and says what it did.

    replays once, as a start does -> nothing is wrong: nothing is written
    a checkpoint is damaged       -> a new one takes its place
    with --accept-loss:  checkpoints contradict the journal -> they are saved, taken away, and made anew of the journal
                         the journal's beginning is lost    -> what refers to it goes, by batches behind the others
                         the node's mark contradicts it     -> is set aside, last of all: what is refused keeps it

Of the journal no batch is ever changed: a damaged one can't be made up, and what follows can't be trusted without it.
Whatever is taken away was written to a file before. What is written on a cluster is written by the journal's owner.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hanzo_queues._core import Engine
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.data_directory import sync_directory
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.journal_chain import assert_chained
from hanzo_queues.server.journal_commands import Look, open_both, verified_checkpoints
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.lost_beginning import drop_what_was_lost
from hanzo_queues.server.own_engine import engine_of
from hanzo_queues.server.recovery import Recovered, lacks_beginning, recover
from hanzo_queues.server.restore import CheckpointContradicted
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import Storage

SAYS_AFTER_S = 1.0
WAITS = (
    "waiting until no server owns the journal. Stop all servers of the cluster; one that was killed owns it for some "
    "seconds still"
)


class Found(NamedTuple):
    """What is there, and what is wrong with it."""

    recovered: Recovered
    contradicts: bool  # the checkpoints are of another journal: the engine comes of the journal alone
    lacks_beginning: bool
    is_sound: bool  # so are the checkpoints

    @property
    def is_right(self) -> bool:
        """Nothing is to be written."""
        return self.is_sound and not self.lacks_beginning


def repair(accept_loss: bool, settings: Settings) -> Look:
    """The command. `accept_loss`: what checkpoints, marks and messages say of batches that are not there any more is
    given up."""
    new_engine = engine_of(settings, LIMITS)

    async def repair_journal(storage: Storage) -> None:
        kept_at = storage.directory.path / f"repair-{datetime.now(UTC):%Y%m%dT%H%M%S}"
        if accept_loss:
            storage.journal.pass_over_mark()
        await open_both(storage)
        found = await _look(storage, new_engine, accept_loss)
        if not found.is_right:
            async with _owned(storage):
                if await storage.journal.last_sequence() != found.recovered.engine.lsn:
                    found = await _look(storage, new_engine, accept_loss)  # somebody wrote until now
                await _write(storage, found, kept_at)
        if not accept_loss:
            await assert_chained(storage.journal)
        elif await storage.journal.set_mark_aside(kept_at):
            return print(f"the mark of how far the journal reached was moved to {kept_at}")
        if found.is_right:
            print(f"nothing to repair: journal and checkpoints are sound up to batch {found.recovered.engine.lsn}")

    return repair_journal


async def _look(storage: Storage, new_engine: Callable[[], Engine], accept_loss: bool) -> Found:
    """Raises JournalError: nothing was changed. What is to be taken away must be sound otherwise."""
    found = await _found(storage, new_engine, accept_loss)
    if accept_loss:
        await assert_chained(storage.journal)
    return found


async def _found(storage: Storage, new_engine: Callable[[], Engine], accept_loss: bool) -> Found:
    journal, store = storage.journal, storage.checkpoints
    recovered_from = partial(recover, new_engine, journal, lambda lsn, batch: None, lost_beginning=accept_loss)
    try:
        recovered = await recovered_from(store)
    except CheckpointContradicted as error:
        if not accept_loss:
            raise JournalCorrupt(
                f"{error} To go on with the journal as it is, and lose what it lacks: `hanzo-queues journal repair "
                "--accept-loss`."
            ) from error
        extent = await journal.extent()
        first, last = extent.first_sequence, extent.last_sequence
        if first > 1:
            raise JournalCorrupt(
                f"the journal begins with batch {first} and ends with {last}, and no checkpoint is of it: there is no "
                "state to begin with. Nothing was changed. Restore both streams from one backup."
            ) from None
        return Found(await recovered_from(None), contradicts=True, lacks_beginning=False, is_sound=False)
    return Found(
        recovered,
        contradicts=False,
        lacks_beginning=lacks_beginning(recovered.engine, await journal.first_sequence()),
        is_sound=recovered.start is not None and await _are_sound(storage),
    )


async def _are_sound(storage: Storage) -> bool:
    """All checkpoints that are kept: the one before the last is for when that is damaged."""
    try:
        return await verified_checkpoints(storage) > 0
    except JournalCorrupt:
        return False


@asynccontextmanager
async def _owned(storage: Storage) -> AsyncIterator[None]:
    """Begins when no server owns the journal, however long that takes; none does until it ends."""
    if storage.ownership is None:
        yield
        return
    says = asyncio.get_running_loop().call_later(SAYS_AFTER_S, partial(print, WAITS, flush=True))
    try:
        await storage.ownership.acquire()
    finally:
        says.cancel()
    try:
        yield
    finally:
        await storage.ownership.release()


async def _write(storage: Storage, found: Found, kept_at: Path) -> None:
    """What is wrong is so no more. Raises JournalError."""
    if found.contradicts:
        count = await _save(storage, _made(kept_at) / "checkpoints")
        await storage.checkpoints.clear()
        print(f"{count} parts of checkpoints that are of another journal were saved to {kept_at} and taken away")
    if found.lacks_beginning:
        await drop_what_was_lost(storage.journal, found.recovered.engine, kept_at)
    if not found.is_right:
        await _take_anew(storage, found.recovered)


async def _take_anew(storage: Storage, recovered: Recovered) -> None:
    engine, start = recovered.engine, recovered.start
    checkpointer = Checkpointer(engine, storage.checkpoints, recovered.kept)
    await checkpointer.take()
    if checkpointer.taken:
        await storage.checkpoints.purge(checkpointer.first_sequence)  # not to be taken for a way back
        begun = "all of the journal" if start is None else f"the checkpoint of batch {start.lsn}"
        print(f"a checkpoint of batch {engine.lsn} was made, from {begun}: {engine.message_count} messages")
    else:
        print("the journal is sound, and too new for a checkpoint")


def _made(directory: Path) -> Path:
    directory.mkdir(exist_ok=True)
    return directory


async def _save(storage: Storage, path: Path) -> int:
    """Each part behind a line with its sequence and its length."""
    extent = await storage.checkpoints.extent()
    count = 0
    with path.open("xb") as file:
        for sequence in range(extent.first_sequence, extent.last_sequence + 1):
            try:
                part = await storage.checkpoints.fetch(sequence)
            except JournalCorrupt:
                continue  # what is damaged is not worth saving
            file.write(b"%d %d\n" % (sequence, len(part)) + part)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    sync_directory(path.parent)
    sync_directory(path.parent.parent)
    return count
