"""The checkpoint store in memory: the test twin of the JetStream one. It outlives those who use it, as a disk does."""

from __future__ import annotations

import asyncio
from collections import deque

from hanzo_queues.server.checkpoints.base import AnyRoom, CheckpointRoom
from hanzo_queues.server.journal.base import AppendRefused, Extent, JournalCorrupt, JournalError, WrongLastSequence


class MemoryCheckpoints:
    """See `hanzo_queues.server.checkpoints.base.CheckpointStore`. `faults` befall the next appends, first come first:
    one that is not None is raised. `room`: where it is written."""

    def __init__(self, *, part_bytes_max: int = 8 * 1024 * 1024) -> None:
        self.parts: dict[int, bytes] = {}
        self.manifests: set[int] = set()
        self.faults: deque[Exception | None] = deque()
        self._attempts: dict[str, list[int]] = {}
        self.room: CheckpointRoom = AnyRoom()
        self._first = 1
        self._last = 0
        self._part_bytes_max = part_bytes_max

    @property
    def part_bytes_max(self) -> int:
        """The largest part that is accepted, in bytes."""
        return self._part_bytes_max

    async def open(self) -> None:
        """It always is."""

    async def look(self) -> None:
        """It always is."""

    async def extent(self) -> Extent:
        """What there is."""
        return Extent(self._first, self._last, sum(map(len, self.parts.values())))

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        """Appends a part."""
        await self._append(part, expected_last_sequence)
        self._attempts.setdefault(attempt, []).append(self._last)

    async def _append(self, part: bytes, expected_last_sequence: int) -> None:
        await asyncio.sleep(0)
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            raise fault
        if len(part) > self._part_bytes_max:
            raise AppendRefused(f"a part of {len(part)} bytes is larger than {self._part_bytes_max}")
        if expected_last_sequence != self._last:
            raise WrongLastSequence(f"wrong last sequence: {self._last}")
        self._last += 1
        self.parts[self._last] = part

    async def append_manifest(self, manifest: bytes, expected_last_sequence: int) -> None:
        """Appends a manifest."""
        await self._append(manifest, expected_last_sequence)
        self.manifests.add(expected_last_sequence + 1)

    async def newest_manifest(self) -> tuple[int, bytes] | None:
        """The last manifest."""
        return await self.manifest_before(self._last + 1)

    async def manifest_before(self, sequence: int) -> tuple[int, bytes] | None:
        """The last one before."""
        before = [found for found in self.manifests & self.parts.keys() if found < sequence]
        return (max(before), self.parts[max(before)]) if before else None

    async def fetch(self, sequence: int) -> bytes:
        """One part."""
        part = self.parts.get(sequence)
        if part is None:
            raise JournalCorrupt(f"part {sequence} is missing")
        return part

    async def purge(self, before_sequence: int) -> None:
        """Takes away everything before."""
        if before_sequence > self._last:
            raise JournalError(f"the store ends with {self._last}: not purged up to {before_sequence}")
        for sequence in range(self._first, before_sequence):
            self.parts.pop(sequence, None)
        self._first = max(self._first, before_sequence)

    async def discard(self, attempt: str) -> None:
        """Takes away the parts of one checkpoint."""
        for sequence in self._attempts.pop(attempt, []):
            self.parts.pop(sequence, None)

    async def clear(self) -> None:
        """Takes everything away."""
        self.parts.clear()
        self._first = self._last + 1

    async def close(self) -> None:
        """Nothing is held."""
