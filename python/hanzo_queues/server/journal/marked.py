"""A journal that can't get shorter unnoticed.

JetStream can lose the end of a stream to one flipped bit and use its sequences again without a word; a backup that is
put back is older than what was acknowledged. So beside the journal a mark says how far it was known to reach, and what
lay there. A journal that ends before its mark, or has another batch there, is refused.

The mark is written before a batch is called durable, unless it was less than a tenth of a second ago; then when that
is over. So a kill leaves uncovered what was acknowledged in that tenth behind another batch, and a loss of power what
the system had not written yet: nobody waits for the disk. It never runs ahead of what is durable. Written with each
batch it would wait for others' syncs, on file systems that log times of change.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from hanzo_queues.server.journal.base import Extent, Journal, JournalCorrupt

logger = logging.getLogger(__name__)

WRITTEN_EVERY_S = 0.1
HASH_BYTES = 16
"""A batch ends with the hash of everything before it."""

ADVICE = (
    "Restore the journal's stream from a newer backup or another replica. If what is lost is lost, or another journal "
    "is meant, go on with it as it is: `hanzo-queues journal repair --accept-loss`."
)
MARK = re.compile(r"batch (\d{1,20}) hash ([0-9a-f]{32})\n")


class MarkedJournal:
    """`journal`, with its mark in the file `path`. See `hanzo_queues.server.journal.base.Journal`."""

    def __init__(self, journal: Journal, path: Path) -> None:
        self._journal = journal
        self._path = path
        self._sequence, self._hash = _read_mark(path)
        self._written = self._sequence
        self._passed_over: tuple[int, str] | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._has_failed = False

    @property
    def batch_bytes_max(self) -> int:
        """As the journal's."""
        return self._journal.batch_bytes_max

    async def open(self) -> None:
        """As the journal's."""
        await self._journal.open()

    async def look(self) -> None:
        """As the journal's."""
        await self._journal.look()

    async def last_sequence(self) -> int:
        """As the journal's. Raises JournalCorrupt when it is before the mark."""
        marked = self._sequence  # what becomes durable meanwhile may be told before this is answered
        last = await self._journal.last_sequence()
        _assert_reaches(last, marked)
        return last

    async def first_sequence(self) -> int:
        """As the journal's."""
        return await self._journal.first_sequence()

    async def extent(self) -> Extent:
        """As the journal's. Raises JournalCorrupt when it ends before the mark."""
        marked = self._sequence
        extent = await self._journal.extent()
        _assert_reaches(extent.last_sequence, marked)
        return extent

    def append(self, batch: bytes, expected_last_sequence: int) -> asyncio.Future[None]:
        """As the journal's; what is durable moves the mark, before anybody else is told."""
        appended = asyncio.ensure_future(self._journal.append(batch, expected_last_sequence))
        appended.add_done_callback(partial(self._appended, batch, expected_last_sequence + 1))
        return appended

    def _appended(self, batch: bytes, sequence: int, appended: asyncio.Future[None]) -> None:
        if not appended.cancelled() and appended.exception() is None and sequence > self._sequence:
            self._sequence, self._hash = sequence, _hash_of(batch)
            if self._rest is None and self._passed_over is None:
                self._write_and_rest()

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        """As the journal's. Raises JournalCorrupt at a batch that is not the one the mark was set at."""
        async for sequence, batch in self._journal.read(first_sequence, last_sequence):
            if sequence == self._sequence and _hash_of(batch) != self._hash:
                raise JournalCorrupt(
                    f"journal batch {sequence} is not the one that was acknowledged: another was written in its place. "
                    f"Nothing was changed. {ADVICE}"
                )
            yield sequence, batch

    async def fetch(self, sequence: int) -> bytes:
        """As the journal's."""
        return await self._journal.fetch(sequence)

    async def fetch_run(self, first_sequence: int, last_sequence: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """As the journal's."""
        return await self._journal.fetch_run(first_sequence, last_sequence, bytes_max)

    async def purge(self, before_sequence: int) -> None:
        """As the journal's. What the mark was set at may be purged when another node wrote since."""
        await self._journal.purge(before_sequence)

    async def close(self) -> None:
        """As the journal's; writes the mark."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
            self._write()
        await self._journal.close()

    def pass_over_mark(self) -> None:
        """The journal is taken as it is from here on. The file stays as it is until `set_mark_aside`."""
        self._passed_over = self._sequence, self._hash
        self._sequence, self._hash = 0, ""

    async def set_mark_aside(self, directory: Path) -> bool:
        """Ends `pass_over_mark`. Moves the file to `directory` when the journal ends before the mark or is another one;
        what is durable makes another. False: journal and mark agree, or there is no mark. Raises JournalError."""
        assert self._passed_over is not None
        contradicts = await self._contradicts(*self._passed_over)
        if contradicts:
            self._move_to(directory)
        elif self._sequence < self._passed_over[0]:
            self._sequence, self._hash = self._passed_over
        self._passed_over = None
        self._write()
        return contradicts

    def _move_to(self, directory: Path) -> None:
        directory.mkdir(exist_ok=True)
        self._path.rename(directory / self._path.name)
        self._written = 0

    async def _contradicts(self, sequence: int, batch_hash: str) -> bool:
        if sequence > await self._journal.last_sequence():
            return True
        if sequence < await self._journal.first_sequence():
            return False  # there is no mark, or what it was set at was trimmed
        found = [_hash_of(batch) async for _, batch in self._journal.read(sequence, sequence)]
        return found != [batch_hash]

    def _write_and_rest(self) -> None:
        self._write()
        self._rest = asyncio.get_running_loop().call_later(WRITTEN_EVERY_S, self._rested)

    def _rested(self) -> None:
        self._rest = None
        if self._written != self._sequence:
            self._write_and_rest()

    def _write(self) -> None:
        """In place, since it is shorter than a disk's sector: the old mark or the new one, and no wait for the disk."""
        if self._written == self._sequence:
            return
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.pwrite(descriptor, f"batch {self._sequence} hash {self._hash}\n".encode(), 0)
            finally:
                os.close(descriptor)
            self._written, self._has_failed = self._sequence, False
        except OSError as error:
            if not self._has_failed:
                logger.warning("the journal's mark can't be written to %s: %s", self._path, error.strerror or error)
            self._has_failed = True


def _assert_reaches(last: int, marked: int) -> None:
    if last < marked:
        raise JournalCorrupt(
            f"the journal ends with batch {last}, but batch {marked} was acknowledged: its end is lost. "
            f"Nothing was changed. {ADVICE}"
        )


def _hash_of(batch: bytes) -> str:
    return batch[-HASH_BYTES:].hex()


def _read_mark(path: Path) -> tuple[int, str]:
    """Sequence 0 when there is none, or none that can be read."""
    try:
        text = path.read_text(errors="replace")
    except FileNotFoundError:
        return 0, ""
    except OSError as error:
        logger.warning("the journal's mark can't be read from %s: %s", path, error.strerror or error)
        return 0, ""
    found = MARK.match(text)
    if found is None:
        logger.warning("the journal's mark in %s can't be understood; the journal is taken as it is", path)
        return 0, ""
    return int(found[1]), found[2]
