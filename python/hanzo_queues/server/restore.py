"""Where a recovery begins: the newest checkpoint that can be trusted, or the journal's first batch.

    newest manifest -> its blocks -> state -> is batch L of the journal the one it was taken at? -> replay from L + 1
          '-- damaged: the manifest before, if the journal still reaches back to it

A checkpoint only shortens a replay: one that is damaged is passed over, loudly. But one that is sound and does not fit
the journal shows that the journal is not the one it was taken of, and then nothing is served.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

from hanzo_queues._core import BatchError, BlockEntry, CheckpointError, Engine, Manifest, Restoration, verify_batch
from hanzo_queues.server.checkpointer import Kept, fetched
from hanzo_queues.server.checkpoints.base import CheckpointStore
from hanzo_queues.server.journal.base import Journal, JournalCorrupt

logger = logging.getLogger(__name__)

PROGRESS_EVERY_S = 2.0
FETCHES_MAX = 16


class CheckpointContradicted(JournalCorrupt):
    """A sound checkpoint and the journal exclude each other."""


class CheckpointUnknown(JournalCorrupt):
    """It has a format of a newer server."""


class NotRestored(NamedTuple):
    """Why there is no checkpoint to begin with: what is wrong with the newest. `is_newer`: a newer server wrote it."""

    text: str
    is_newer: bool


async def restored(
    new_engine: Callable[[], Engine], journal: Journal, store: CheckpointStore, first: int, last: int
) -> tuple[Engine, list[Kept]] | NotRestored:
    """An engine as the newest sound checkpoint has it, of a journal of batches `first` to `last`, and that checkpoint,
    last, behind the one before it; if there is one that it reaches back to. Raises CheckpointContradicted,
    JournalError."""
    found = await store.newest_manifest()
    why = NotRestored("there is none", is_newer=False)
    newest = found
    while found is not None:
        sequence, data = found
        try:
            engine, manifest = await restored_from(new_engine, journal, store, data, first, last)
            start = Kept(sequence, manifest.lsn, manifest.blocks)
            return engine, [*await _before(store, start), start]
        except CheckpointContradicted:
            raise
        except JournalCorrupt as error:
            logger.error(
                "the checkpoint at %d can't be used: %s; trying the one before it, else all of the journal",
                sequence, error,
            )  # fmt: skip
            if found == newest:
                why = NotRestored(str(error), isinstance(error, CheckpointUnknown))
        found = await store.manifest_before(sequence)
    return why


async def _before(store: CheckpointStore, start: Kept) -> list[Kept]:
    """The checkpoint before `start`: its manifest lies right before the parts that came with `start`. None where
    something else does; nothing but trimming asks for it."""
    begins = {sequence + parts - 1: sequence for sequence, parts, _ in (block.extent for block in start.blocks)}
    at = start.sequence - 1
    while at in begins:
        at = begins[at] - 1
    try:
        manifest = Manifest(await store.fetch(at))
    except (JournalCorrupt, CheckpointError):
        return []
    return [Kept(at, manifest.lsn, manifest.blocks)]


async def restored_from(
    new_engine: Callable[[], Engine], journal: Journal, store: CheckpointStore, data: bytes, first: int, last: int
) -> tuple[Engine, Manifest]:
    """An engine as the checkpoint of the manifest `data` has it. Raises JournalCorrupt when it can't be used."""
    try:
        manifest = Manifest(data)
        _assert_reached(manifest, first)
        await _assert_of(manifest, journal, last)
        return await _loaded(new_engine(), manifest, store), manifest
    except CheckpointError as error:
        raise _untrusted("a checkpoint", error) from error


def _untrusted(what: str, error: CheckpointError) -> JournalCorrupt:
    kind = CheckpointUnknown if error.reason == "version" else JournalCorrupt
    return kind(f"{what} can't be trusted: {error}")


def _assert_reached(manifest: Manifest, first: int) -> None:
    if manifest.lsn < first:
        raise JournalCorrupt(f"it is of batch {manifest.lsn}, and the journal begins with batch {first}")


async def _assert_of(manifest: Manifest, journal: Journal, last: int) -> None:
    advice = (
        "Nothing was changed. Restore both streams from one backup, the journal's not older than that of the "
        "checkpoints; or, if what is lost is lost, go on without it: `hanzo-queues journal repair --accept-loss`."
    )
    if manifest.lsn > last:
        raise CheckpointContradicted(
            f"the journal ends with batch {last}, but a checkpoint was taken at batch {manifest.lsn}, which was "
            f"durable then: the journal is older than its checkpoint, or its end is lost. {advice}"
        )
    async for _, batch in journal.read(manifest.lsn, manifest.lsn):
        try:
            verify_batch(batch)
        except BatchError as error:
            raise JournalCorrupt(f"journal batch {manifest.lsn}, which it was taken at, is damaged: {error}") from error
        if not manifest.is_of(batch):
            raise CheckpointContradicted(
                f"journal batch {manifest.lsn} is not the one that a checkpoint was taken at: the journal is another "
                f"one. {advice}"
            )


async def _loaded(engine: Engine, manifest: Manifest, store: CheckpointStore) -> Engine:
    blocks = manifest.blocks
    logger.info("restoring the checkpoint of batch %d: %d blocks", manifest.lsn, len(blocks))
    restoration = Restoration(engine, manifest)
    started = reported = time.monotonic()
    count = 0
    async for block, data in _read(store, blocks):
        try:
            restoration.add(data)
        except CheckpointError as error:
            raise _untrusted(f"its block at {block.extent[0]}", error) from error
        count += 1
        if time.monotonic() - reported > PROGRESS_EVERY_S:
            reported = time.monotonic()
            logger.info("loaded %d of %d blocks", count, len(blocks))
    restoration.finish(engine)
    logger.info(
        "restored %d messages in %d queues, in %.0f ms",
        engine.message_count, engine.queue_count, (time.monotonic() - started) * 1000,
    )  # fmt: skip
    return engine


async def _read(store: CheckpointStore, blocks: list[BlockEntry]) -> AsyncIterator[tuple[BlockEntry, bytes]]:
    """In order, several on their way at a time."""
    under_way: list[asyncio.Task[bytes]] = []
    try:
        for at, block in enumerate(blocks):
            ahead = blocks[at + len(under_way) : at + FETCHES_MAX]
            under_way += [asyncio.create_task(fetched(store, next_block)) for next_block in ahead]
            yield block, await under_way.pop(0)
    finally:
        for fetch in under_way:
            fetch.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
