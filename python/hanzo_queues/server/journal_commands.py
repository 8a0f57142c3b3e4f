"""Looking at a journal without serving it: `hanzo-queues journal verify` and `hanzo-queues journal dump`.

They only read. They take the data directory as a server does, so they refuse to look at one that is being served; on a
cluster they read beside the servers, whose trimming is no damage. Must not write: what a journal lacks no command can
make up.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import orjson

from hanzo_queues._core import BatchError, CheckpointError, Description, Engine, Manifest, describe_batch
from hanzo_queues.server.checkpointer import byte_count_of
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalError, StoreContradicts, WrongLastSequence
from hanzo_queues.server.journal_chain import assert_chained
from hanzo_queues.server.nats_process import STORE_DIRECTORY
from hanzo_queues.server.recovery import recover
from hanzo_queues.server.restore import restored_from
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import OWN_PARTITION, StartRefused, Storage, open_storage
from hanzo_queues.server.untrusted import untrusted_batch

logger = logging.getLogger(__name__)

LOOKS_MAX = 20  # at what servers trim meanwhile
CHECKPOINTS_KEPT = 2  # older ones may have lost blocks: nothing needs them


Look = Callable[[Storage], Coroutine[Any, Any, None]]


def run(command: Look, settings: Settings) -> int:
    """Runs `command` on the journal of `settings`. Returns the exit status: 0, or 1 when the journal can't be read or
    is not what was written, or the disk has no room for what a repair keeps."""
    try:
        asyncio.run(_run(command, settings))
    except (StartRefused, JournalError) as error:
        sys.stdout.flush()
        print(f"hanzo-queues: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has seen enough
    except OSError as error:
        sys.stdout.flush()
        where = f"{error.filename}: " if error.filename else ""
        print(f"hanzo-queues: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    return 0


async def _run(command: Look, settings: Settings) -> None:
    if settings.nats_url is None and not (settings.data_dir / STORE_DIRECTORY).is_dir():
        raise StartRefused(  # to open it would make one
            f"there is no journal in {settings.data_dir}: no server has started there. "
            "Choose another directory with HANZO_DATA_DIR (--data-dir)."
        )
    await carry_out(command, settings)


async def carry_out(command: Look, settings: Settings) -> None:
    """Runs it on the storage. A nats-server of our own whose store is damaged can contradict itself of where a stream
    ends, once it has read the damage: started anew, it says what its files hold. Raises what the command does."""
    try:
        await _carry_out_once(command, settings)
    except (StoreContradicts, WrongLastSequence) as error:
        if settings.nats_url is not None:  # another writes there
            raise
        logger.warning("%s: once more, with its nats-server started anew", error)
        await _carry_out_once(command, settings)


async def _carry_out_once(command: Look, settings: Settings) -> None:
    async with open_storage(settings) as storage:
        try:
            await command(storage)
        finally:
            await storage.journal.close()
            await storage.checkpoints.close()


async def verify(storage: Storage) -> None:
    """Reads every batch and every checkpoint that is kept, checks hashes and the chain, and recovers as a start does.
    Prints one line. Raises JournalCorrupt with the first thing that can't be trusted."""
    await look_at(storage, storage.journal)
    await look_at(storage, storage.checkpoints)
    for _ in range(LOOKS_MAX):
        begun = await _beginnings(storage)
        try:
            return await _verify(storage)
        except JournalCorrupt as error:
            if await _beginnings(storage) == begun:
                raise
            logger.info("%s; but a server trimmed meanwhile: starting over", error)
    raise JournalError(
        f"servers trimmed the journal or its checkpoints each of {LOOKS_MAX} times that they were read: nothing is "
        "known to be wrong. Try again when there is less to do, or stop the servers."
    )


async def _beginnings(storage: Storage) -> tuple[int, int, int]:
    """What changes when a server takes a checkpoint, or trims."""
    checkpoints = await storage.checkpoints.extent()
    return await storage.journal.first_sequence(), checkpoints.first_sequence, checkpoints.last_sequence


async def _verify(storage: Storage) -> None:
    journal, store = storage.journal, storage.checkpoints
    batch_count = byte_count = 0

    def seen(_: int, batch: bytes) -> None:
        nonlocal batch_count, byte_count
        batch_count += 1
        byte_count += len(batch)

    checkpoints = await verified_checkpoints(storage)
    await assert_chained(journal, seen)  # those before the last checkpoint too: they hold payloads
    # From the first batch where there is one; then the chain leads to every checkpoint.
    whole = await journal.first_sequence() == 1
    recovered = await recover(
        partial(Engine, OWN_PARTITION), journal, lambda lsn, batch: None, None if whole else store
    )
    engine = recovered.engine
    print(
        f"good: {batch_count} batches of {byte_count} bytes, epoch {engine.epoch}, "
        f"{engine.message_count} messages in {engine.queue_count} queues, {checkpoints} checkpoints"
    )


async def verified_checkpoints(storage: Storage) -> int:
    """How many are kept, each read whole. Raises JournalCorrupt with the first that can't be trusted."""
    journal, store = storage.journal, storage.checkpoints
    found = await store.newest_manifest()
    extent = await journal.extent()  # behind it: a server may go on
    first, last = extent.first_sequence, extent.last_sequence
    count = 0
    while found is not None and count < CHECKPOINTS_KEPT:
        sequence, data = found
        await restored_from(partial(Engine, OWN_PARTITION), journal, store, data, first, last)
        count += 1
        found = await store.manifest_before(sequence)
    return count


async def open_both(storage: Storage) -> None:
    """Opens the journal and its checkpoints. Raises JournalError."""
    await storage.journal.open()
    await storage.checkpoints.open()


async def look_at(storage: Storage, log: Journal | CheckpointStore) -> None:
    """On a cluster, where servers may be, nothing is made or changed. In a data directory the log is opened as a start
    does: its nats-server then takes up what lies there behind a description that can't be read. Raises JournalError."""
    await (log.open() if storage.ownership is None else log.look())


async def dump_checkpoints(storage: Storage) -> None:
    """Prints the checkpoints that are there, a line of JSON each, the newest first."""
    await look_at(storage, storage.checkpoints)
    found = await storage.checkpoints.newest_manifest()
    while found is not None:
        sequence, data = found
        print(orjson.dumps(_checkpoint_line(sequence, data)).decode())
        found = await storage.checkpoints.manifest_before(sequence)


def _checkpoint_line(sequence: int, data: bytes) -> dict[str, Any]:
    try:
        manifest = Manifest(data)
    except CheckpointError as error:
        return {"sequence": sequence, "damaged": str(error)}
    blocks = manifest.blocks
    kinds = Counter(block.kind_name for block in blocks)
    return {
        "sequence": sequence,
        "lsn": manifest.lsn,
        "epoch": manifest.epoch,
        "at": _instant(manifest.now_ms),
        "bytes": len(data) + byte_count_of(blocks),
        "blocks": dict(kinds),
    }


def dump(first: int, last: int | None, records: bool) -> Look:
    """The command that prints batches `first` to `last` (None: the newest) of those that were not trimmed, a line of
    JSON each; with `records`, what each holds too, in words."""

    async def dump_journal(storage: Storage) -> None:
        journal = storage.journal
        await look_at(storage, journal)
        newest = (await journal.extent()).last_sequence
        async for sequence, batch in _between(journal, first, newest if last is None else min(last, newest)):
            try:
                described = describe_batch(batch)
            except BatchError as error:
                raise untrusted_batch(f"{sequence} of {newest}", error) from error
            print(orjson.dumps(_line(described, len(batch), records)).decode())

    return dump_journal


async def _between(journal: Journal, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
    """Those that are there: what a server trims meanwhile is passed over."""
    while (first := max(first, await journal.first_sequence())) <= last:
        try:
            async for sequence, batch in journal.read(first, last):
                yield sequence, batch
                first = sequence + 1
        except JournalCorrupt:
            if await journal.first_sequence() <= first:
                raise


def _line(described: Description, byte_count: int, records: bool) -> dict[str, Any]:
    line = {
        "lsn": described.lsn,
        "epoch": described.epoch,
        "at": _instant(described.now_ms),
        "bytes": byte_count,
        "records": described.records if records else len(described.records),
    }
    return line


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
