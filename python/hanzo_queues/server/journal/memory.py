"""The journal in memory: the test twin of the JetStream one, with the same contract and faults on demand.

A `MemoryStore` outlives its journals, as a stream outlives its clients: two journals on one store are two writers.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from enum import Enum

from hanzo_queues.server.journal.base import (
    AppendRefused,
    AppendUnknown,
    Extent,
    JournalCorrupt,
    JournalError,
    WrongLastSequence,
)


class AppendFault(Enum):
    """What befalls an append."""

    REFUSED = "it never commits, and the writer is told"
    ACK_LOST = "it commits, the writer is not told"
    LOST = "it never commits, the writer is not told"
    LATE = "it commits after the writer gave up, when `MemoryStore.deliver_late` is called"


class MemoryStore:
    """The batches themselves. `faults` befall the next appends, first come first."""

    def __init__(self) -> None:
        self.batches: dict[int, bytes] = {}
        self.first_sequence = 1
        self.last_sequence = 0
        self.faults: deque[AppendFault] = deque()
        self._late: list[tuple[bytes, int]] = []

    def append(self, batch: bytes, expected_last_sequence: int) -> None:
        """Appends, or raises WrongLastSequence."""
        if expected_last_sequence != self.last_sequence:
            raise WrongLastSequence(f"wrong last sequence: {self.last_sequence}")
        self.last_sequence += 1
        self.batches[self.last_sequence] = batch

    def purge(self, before_sequence: int) -> None:
        """Takes away every batch before this one."""
        for sequence in range(self.first_sequence, before_sequence):
            del self.batches[sequence]
        self.first_sequence = max(self.first_sequence, before_sequence)

    def keep_for_later(self, batch: bytes, expected_last_sequence: int) -> None:
        """An append still on its way."""
        self._late.append((batch, expected_last_sequence))

    def deliver_late(self) -> bool:
        """What was on its way arrives: it commits, or the fence refuses it. Whether any committed."""
        before = self.last_sequence
        late, self._late = self._late, []
        for batch, expected_last_sequence in late:
            if expected_last_sequence == self.last_sequence:
                self.append(batch, expected_last_sequence)
        return self.last_sequence > before


class MemoryJournal:
    """See `hanzo_queues.server.journal.base.Journal`. Durable as long as its store."""

    def __init__(self, store: MemoryStore | None = None, *, batch_bytes_max: int = 8 * 1024 * 1024) -> None:
        self.store = store or MemoryStore()
        self._batch_bytes_max = batch_bytes_max
        self._closed = False

    @property
    def batch_bytes_max(self) -> int:
        """The largest batch `append` accepts, in bytes."""
        return self._batch_bytes_max

    async def open(self) -> None:
        """Lets go of an earlier `close`."""
        self._closed = False

    async def look(self) -> None:
        """It is always there."""
        await self.open()

    async def last_sequence(self) -> int:
        """The sequence of the last batch, 0 when empty."""
        return self.store.last_sequence

    async def first_sequence(self) -> int:
        """The sequence of the first batch that was not purged."""
        return self.store.first_sequence

    async def extent(self) -> Extent:
        """What there is."""
        byte_count = sum(map(len, self.store.batches.values()))
        return Extent(self.store.first_sequence, self.store.last_sequence, byte_count)

    async def append(self, batch: bytes, expected_last_sequence: int) -> None:
        """Appends one batch, or suffers the store's next fault."""
        if len(batch) > self._batch_bytes_max:
            raise AppendRefused(f"a batch of {len(batch)} bytes is larger than {self._batch_bytes_max}")
        if self._closed:
            raise AppendRefused("the journal is not open")
        await asyncio.sleep(0)
        if self._closed:
            raise AppendUnknown("the journal was closed during the append")
        fault = self.store.faults.popleft() if self.store.faults else None
        match fault:
            case None:
                self.store.append(batch, expected_last_sequence)
                return
            case AppendFault.REFUSED:
                raise AppendRefused(fault.value)
            case AppendFault.ACK_LOST:
                self.store.append(batch, expected_last_sequence)
            case AppendFault.LATE:
                self.store.keep_for_later(batch, expected_last_sequence)
            case AppendFault.LOST:
                pass
        raise AppendUnknown(f"no answer: {fault.value}")

    async def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        """Batches in order."""
        for sequence in range(first_sequence, last_sequence + 1):
            yield sequence, await self.fetch(sequence)

    async def fetch(self, sequence: int) -> bytes:
        """One batch."""
        batch = self.store.batches.get(sequence)
        if batch is None:
            raise JournalCorrupt(f"batch {sequence} is missing")
        return batch

    async def fetch_run(self, first_sequence: int, last_sequence: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """Batches in order."""
        found: list[tuple[int, bytes]] = []
        for sequence in range(first_sequence, last_sequence + 1):
            if sequence not in self.store.batches or bytes_max <= 0:
                break
            found.append((sequence, self.store.batches[sequence]))
            bytes_max -= len(found[-1][1])
        return found

    async def purge(self, before_sequence: int) -> None:
        """Takes away every batch before `before_sequence`."""
        if before_sequence > self.store.last_sequence:
            raise JournalError(f"the journal ends with {self.store.last_sequence}: not purged up to {before_sequence}")
        self.store.purge(before_sequence)

    async def close(self) -> None:
        """Appends under way raise AppendUnknown."""
        self._closed = True
