"""The contract of a checkpoint store: a log of parts of blocks and of manifests, beside a journal.

Nothing in it is ever overwritten: what changed is appended, a manifest says which parts are one state, and what no kept
manifest names is purged from the beginning. Appends are fenced as a journal's are, and raise what those raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Extent:
    """Which sequences a store has, and the bytes they take, what the store adds to them included."""

    first_sequence: int
    last_sequence: int
    byte_count: int


class CheckpointStore(Protocol):
    """One partition's. Sequences count from 1."""

    @property
    def part_bytes_max(self) -> int:
        """The largest part or manifest that is accepted, in bytes. Known after `open`."""

    def has_room(self, byte_count: int) -> bool:
        """Whether so many bytes may be written now. As far as it is known: an append may still find no room."""

    async def open(self) -> None:
        """Makes the store if there is none, asserts its settings if there is. Raises JournalError."""

    async def extent(self) -> Extent:
        """As the leader knows it. Raises JournalError."""

    async def append(self, part: bytes, expected_last_sequence: int) -> None:
        """Appends a part of a block; on return it is durable. Raises as `Journal.append`."""

    async def append_manifest(self, manifest: bytes, expected_last_sequence: int) -> None:
        """Appends a manifest; on return it is durable. Raises as `Journal.append`."""

    async def newest_manifest(self) -> tuple[int, bytes] | None:
        """The last manifest and its sequence, as the leader has it. Raises JournalError."""

    async def manifest_before(self, sequence: int) -> tuple[int, bytes] | None:
        """The last manifest before `sequence`, as the leader has it. Raises JournalError."""

    async def fetch(self, sequence: int) -> bytes:
        """One part or manifest, as the leader has it. Raises JournalError, JournalCorrupt when it is not there."""

    async def purge(self, before_sequence: int) -> None:
        """Takes away everything before `before_sequence`, which stays. Raises JournalError."""

    async def clear(self) -> None:
        """Takes everything away. Sequences go on. Raises JournalError."""

    async def close(self) -> None:
        """Lets go of connections. `open` opens it again."""
