"""Looking at a journal without serving it: `hanzo-queues journal verify` and `hanzo-queues journal dump`.

Both only read. They take the data directory as a server does, so they refuse to look at one that is being served; on a
cluster they read beside the servers. Must not write: what a journal lacks no command can make up.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import orjson

from hanzo_queues._core import BatchError, Description, Engine, describe_batch
from hanzo_queues.server.journal.base import Journal, JournalCorrupt, JournalError
from hanzo_queues.server.nats_process import STORE_DIRECTORY
from hanzo_queues.server.recovery import replay
from hanzo_queues.server.settings import Settings
from hanzo_queues.server.storage import OWN_PARTITION, StartRefused, open_storage

logger = logging.getLogger(__name__)


def run(command: Callable[[Journal], Coroutine[Any, Any, None]], settings: Settings) -> int:
    """Runs `command` on the journal of `settings`. Returns the exit status: 0, or 1 when the journal can't be read or
    is not what was written."""
    try:
        asyncio.run(_run(command, settings))
    except (StartRefused, JournalError) as error:
        sys.stdout.flush()
        print(f"hanzo-queues: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        sys.stderr.close()  # whoever read has seen enough
    return 0


async def _run(command: Callable[[Journal], Coroutine[Any, Any, None]], settings: Settings) -> None:
    if settings.nats_url is None and not (settings.data_dir / STORE_DIRECTORY).is_dir():
        raise StartRefused(  # to open it would make one
            f"there is no journal in {settings.data_dir}: no server has started there. "
            "Choose another directory with HANZO_DATA_DIR (--data-dir)."
        )
    async with open_storage(settings) as storage:
        try:
            await command(storage.journal)
        finally:
            await storage.journal.close()


async def verify(journal: Journal) -> None:
    """Reads every batch, checks its hash and its place in the chain, and replays it as a start does. Prints one line.
    Raises JournalCorrupt with the first batch that can't be trusted."""
    byte_count = 0

    def seen(_: int, batch: bytes) -> None:
        nonlocal byte_count
        byte_count += len(batch)

    engine = Engine(OWN_PARTITION)
    await replay(engine, journal, seen)
    print(
        f"good: {engine.lsn} batches of {byte_count} bytes, epoch {engine.epoch}, "
        f"{engine.message_count} messages in {engine.queue_count} queues"
    )


def dump(first: int, last: int | None, records: bool) -> Callable[[Journal], Coroutine[Any, Any, None]]:
    """The command that prints batches `first` to `last` (None: the newest) of those that were not trimmed, a line of
    JSON each; with `records`, what each holds too, in words."""

    async def dump_journal(journal: Journal) -> None:
        oldest, newest = await journal.first_sequence(), await journal.last_sequence()
        until = newest if last is None else min(last, newest)
        async for sequence, batch in _between(journal, max(first, oldest), until):
            try:
                described = describe_batch(batch)
            except BatchError as error:
                raise JournalCorrupt(f"journal batch {sequence} of {newest} can't be trusted: {error}") from error
            print(orjson.dumps(_line(described, len(batch), records)).decode())

    return dump_journal


async def _between(journal: Journal, first: int, last: int) -> AsyncIterator[tuple[int, bytes]]:
    if first <= last:
        async for batch in journal.read(first, last):
            yield batch


def _line(described: Description, byte_count: int, records: bool) -> dict[str, Any]:
    at = datetime.fromtimestamp(described.now_ms / 1000, UTC).isoformat(timespec="milliseconds")
    line = {
        "lsn": described.lsn,
        "epoch": described.epoch,
        "at": at.replace("+00:00", "Z"),
        "bytes": byte_count,
        "records": described.records if records else len(described.records),
    }
    return line
