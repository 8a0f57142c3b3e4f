"""`hanzo-queues journal repair`: makes startable what a start refuses or begins slowly, and says what it did.

    recovers, as a start does -> damaged checkpoints are replaced by a new one
    checkpoints contradict the journal -> with --accept-loss: they are saved, taken away, and made anew of the journal
    the journal's beginning is lost    -> with --accept-loss: what refers to it goes, by batches behind the others

Of the journal no batch is ever changed: a damaged one can't be made up, and what follows can't be trusted without it.
Whatever is taken away was written to a file before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from hanzo_queues._core import Engine
from hanzo_queues.server.checkpointer import Checkpointer
from hanzo_queues.server.journal.base import JournalCorrupt
from hanzo_queues.server.journal_chain import assert_chained
from hanzo_queues.server.journal_commands import Look, open_both, verified_checkpoints
from hanzo_queues.server.limits_table import LIMITS
from hanzo_queues.server.lost_beginning import drop_what_was_lost
from hanzo_queues.server.own_engine import engine_of
from hanzo_queues.server.recovery import Recovered, recover
from hanzo_queues.server.restore import CheckpointContradicted
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import MARK_FILE, Storage


def repair(accept_loss: bool, settings: Settings) -> Look:
    """The command. `accept_loss`: what checkpoints, marks and messages say of batches that are not there any more is
    given up."""
    new_engine = engine_of(settings, LIMITS)

    async def repair_journal(storage: Storage) -> None:
        dropped = accept_loss and await _accept_loss(storage, new_engine)
        await open_both(storage)
        try:
            recovered = await recover(new_engine, storage.journal, lambda lsn, batch: None, storage.checkpoints)
        except CheckpointContradicted as error:
            raise JournalCorrupt(
                f"{error} To go on with the journal as it is, and lose what it lacks: `hanzo-queues journal repair "
                "--accept-loss`."
            ) from error
        is_sound = recovered.start is not None and await _are_sound(storage)
        if dropped or not is_sound:
            await _take_anew(storage, recovered)
        await assert_chained(storage.journal)
        if is_sound and not dropped:
            print(f"nothing to repair: journal and checkpoints are sound up to batch {recovered.engine.lsn}")

    return repair_journal


async def _accept_loss(storage: Storage, new_engine: Callable[[], Engine]) -> bool:
    """Whether messages were taken away."""
    kept_at = storage.directory.path / f"repair-{datetime.now(UTC):%Y%m%dT%H%M%S}"
    async with _owned(storage):
        await _forget_what_was_lost(storage, new_engine, kept_at)
        return await drop_what_was_lost(storage, new_engine, kept_at)


@asynccontextmanager
async def _owned(storage: Storage) -> AsyncIterator[None]:
    """Begins when no server owns the journal, however long that takes; none does until it ends."""
    if storage.ownership is None:
        yield
        return
    await storage.ownership.acquire()
    try:
        yield
    finally:
        await storage.ownership.release()


async def _are_sound(storage: Storage) -> bool:
    """All checkpoints that are kept: the one before the last is for when that is damaged."""
    try:
        return await verified_checkpoints(storage) > 0
    except JournalCorrupt:
        return False


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


async def _forget_what_was_lost(storage: Storage, new_engine: Callable[[], Engine], kept_at: Path) -> None:
    mark = storage.directory.path / MARK_FILE
    if mark.exists():
        mark.rename(_made(kept_at) / MARK_FILE)
        print(f"the mark of how far the journal reached was moved to {kept_at}")
    storage.journal.forget_mark()
    await open_both(storage)
    journal, store = storage.journal, storage.checkpoints
    last, first = await journal.last_sequence(), await journal.first_sequence()
    try:
        await recover(new_engine, journal, lambda lsn, batch: None, store, lost_beginning=True)
    except CheckpointContradicted:
        if first > 1:
            raise JournalCorrupt(
                f"the journal begins with batch {first} and ends with {last}, and no checkpoint is of it: there is no "
                "state to begin with. Nothing was changed. Restore both streams from one backup."
            ) from None
        count = await _save(storage, _made(kept_at) / "checkpoints")
        await store.clear()
        print(f"{count} parts of checkpoints that are of another journal were saved to {kept_at} and taken away")


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
    return count
