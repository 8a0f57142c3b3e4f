"""The contract of a checkpoint store: a log of parts of blocks and of manifests, beside a journal.

Nothing in it is ever overwritten: what changed is appended, a manifest says which parts are one state, and what no kept
manifest names is purged from the beginning. What is written of a checkpoint that comes to nothing bears a name of its
own, by which it is taken away. Appends are fenced as a journal's are, and raise what those raise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hanzo_queues.server.journal.base import Extent


class CheckpointRoom(Protocol):
    """Where checkpoints are written, as far as it is known: an append may still find no room. `bytes_needed` says what
    they are likely to need, which messages leave; None: as it said last. `on_refused` is called when there was no room
    for a message."""

    bytes_needed: Callable[[], int] | None
    on_refused: Callable[[], None]

    def has_for_checkpoint(self, byte_count: int) -> bool:
        """Whether so many bytes may be written now."""

    def has_for_moves(self, byte_count: int) -> bool:
        """Whether so many bytes may be written again of what is in a trim's way."""

    def asks_for_checkpoint(self, journal_bytes: int, waited_s: float) -> bool:
        """Whether one is due because there is no room for messages, so many bytes of journal and seconds behind the
        last."""


class AnyRoom:
    """That of a cluster, whose disks are not known: its refusals are."""

    def __init__(self) -> None:
        self.bytes_needed: Callable[[], int] | None = None
        self.on_refused: Callable[[], None] = lambda: None

    def has_for_checkpoint(self, byte_count: int) -> bool:
        """It is tried."""
        return True

    def has_for_moves(self, byte_count: int) -> bool:
        """As above."""
        return True

    def asks_for_checkpoint(self, journal_bytes: int, waited_s: float) -> bool:
        """It never does."""
        return False


class CheckpointStore(Protocol):
    """One partition's. Sequences count from 1."""

    @property
    def part_bytes_max(self) -> int:
        """The largest part or manifest that is accepted, in bytes. Known after `open`."""

    @property
    def room(self) -> CheckpointRoom:
        """Where it is written."""

    async def open(self) -> None:
        """Makes the store if there is none, asserts its settings if there is. Raises JournalError."""

    async def look(self) -> None:
        """As `open`, for who only reads: makes and changes nothing. Raises JournalError, JournalCorrupt when there is
        none."""

    async def extent(self) -> Extent:
        """As the leader knows it. Raises JournalError."""

    async def append(self, part: bytes, expected_last_sequence: int, attempt: str) -> None:
        """Appends a part of a block of the checkpoint `attempt`, hexadecimal digits that no other one has; on return it
        is durable. Raises as `Journal.append`."""

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

    async def discard(self, attempt: str) -> None:
        """Takes away the parts of one checkpoint, of which no manifest was sent or ever will be. Sequences go on.
        Raises JournalError."""

    async def clear(self) -> None:
        """Takes everything away. Sequences go on. Raises JournalError."""

    async def close(self) -> None:
        """Lets go of connections. `open` opens it again."""
