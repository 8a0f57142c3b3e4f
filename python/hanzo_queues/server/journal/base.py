"""The contract of a journal: an append-only sequence of batches with one writer, fenced by the log itself.

`append` sends a batch at once, and what it returns says one of three things when it is awaited. It returns: the batch
is durable at `expected_last_sequence + 1`. It raises `AppendRefused`: this batch is not in the journal and never will
be; `WrongLastSequence` (somebody else appended) and `JournalFull` are two reasons for it. It raises `AppendUnknown`:
the batch may be there, now or later; only a successful append at the same expected sequence, or reading a batch there,
tells. After any error the caller drops what it holds in memory, fences and replays.

`purge` takes batches away from the beginning, so a journal need not begin with its first batch.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass
from typing import Protocol


class JournalError(Exception):
    """The journal can't do what was asked. Retryable unless a subclass says otherwise."""


class AppendRefused(JournalError):
    """The append was refused, or never sent: the batch is not in the journal and never will be."""


class WrongLastSequence(AppendRefused):
    """The journal's last sequence is not the expected one. No journal sends an append twice, so the answer can't be to
    a repetition of one that was stored: it is a refusal, and says nothing of an earlier append whose outcome is open.
    The number it names is for people: only reading tells where the journal ends."""


class StoreContradicts(JournalError):
    """The store refuses what is appended where it says that it ends, and nobody else writes there. Retryable: its
    nats-server, started anew, says what its files hold."""


class JournalFull(AppendRefused):
    """There is no room for the batch. Retryable, and worth waiting for longer: neither a new connection nor a restart
    makes room."""


class AppendUnknown(JournalError):
    """The append failed in a way that leaves its outcome open."""


class JournalCorrupt(JournalError):
    """What was read can't be the journal that was written. Not retryable: says what is wrong and what to do."""


class JournalRefused(JournalError):
    """The journal is not set up as this server needs it. Not retryable: says which setting and what to do."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Which sequences are stored, as of one instant, and the bytes they take, what the store adds to them included.
    `first_sequence` is 1 when there never was one."""

    first_sequence: int
    last_sequence: int
    byte_count: int


class Journal(Protocol):
    """One partition's journal. Sequences count from 1 without gaps; the first ones may have been purged."""

    @property
    def batch_bytes_max(self) -> int:
        """The largest batch `append` accepts, in bytes. Known after `open`."""

    async def open(self) -> None:
        """Makes the journal if there is none, asserts its settings if there is. Raises JournalError."""

    async def look(self) -> None:
        """As `open`, for who only reads: makes and changes nothing. Raises JournalError, JournalCorrupt when there is
        none."""

    async def last_sequence(self) -> int:
        """The sequence of the last batch, 0 when empty, as the leader knows it."""

    async def first_sequence(self) -> int:
        """The sequence of the first batch that was not purged, as the leader knows it; 1 when there never was one."""

    async def extent(self) -> Extent:
        """Both, and the bytes they take, at once."""

    def append(self, batch: bytes, expected_last_sequence: int) -> Awaitable[None]:
        """Appends one batch, which is durable when that is done. See the module's text for the errors. Not retried
        here."""

    def read(self, first_sequence: int, last_sequence: int) -> AsyncIterator[tuple[int, bytes]]:
        """Batches `first_sequence` to `last_sequence`, in order, from the leader. Raises JournalCorrupt on a gap."""

    async def fetch(self, sequence: int) -> bytes:
        """One batch, for its payloads: may be served by any replica; the caller verifies it. Raises JournalError."""

    async def fetch_run(self, first_sequence: int, last_sequence: int, bytes_max: int) -> list[tuple[int, bytes]]:
        """As `fetch`, of batches that follow each other: from the first on, until the last, or the one that brings them
        to `bytes_max`, or as many as that replica has. Raises JournalError."""

    async def purge(self, before_sequence: int) -> None:
        """Takes away every batch before `before_sequence`, which stays; does nothing where they are gone already. To be
        repeated when it fails. Raises JournalError, also when `before_sequence` is after the last batch."""

    async def close(self) -> None:
        """Lets go of connections. Appends under way raise AppendUnknown. `open` opens it again."""
