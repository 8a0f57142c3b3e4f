"""Whether a journal's batches are whole and follow each other, without what they say being applied.

The rules are those of a replay (codec's `chain`): a batch of an older epoch than the last fence's was sent by a deposed
owner and is passed over, and so is what he sent behind it. What the first batch follows was trimmed, and isn't asked.
"""

from __future__ import annotations

from collections.abc import Callable

from hanzo_queues._core import BatchError, batch_link
from hanzo_queues.server.journal.base import Journal, JournalCorrupt
from hanzo_queues.server.untrusted import untrusted_batch

VOID_MAX = 8  # batches of deposed owners before a fence: two have four in flight each (docs/adr/0005)


async def assert_chained(journal: Journal, seen: Callable[[int, bytes], None] = lambda lsn, batch: None) -> None:
    """Reads every batch there is; `seen` is given each. Raises JournalCorrupt with the first that can't be trusted."""
    extent = await journal.extent()
    first, last = extent.first_sequence, extent.last_sequence
    if last < first:
        return
    links = Links(last)
    async for sequence, batch in journal.read(first, last):
        links.add(sequence, batch)
        seen(sequence, batch)


class Links:
    """Batches up to `last`, in order. `add` raises JournalCorrupt."""

    def __init__(self, last: int) -> None:
        self._last = last
        self._count = 0
        self._epoch = 0
        self._hash = b""
        self._passed_over = False
        self._is_known = False  # which of the first batches count

    def add(self, sequence: int, batch: bytes) -> None:
        """The next one."""
        try:
            lsn, epoch, previous, own = batch_link(batch)
        except BatchError as error:
            raise untrusted_batch(f"{sequence} of {self._last}", error) from error
        if lsn != sequence:
            raise _broken(f"batch {lsn} lies where batch {sequence} belongs")
        self._count += 1
        self._passed_over = self._count > 1 and epoch < self._epoch + self._passed_over
        if self._passed_over:
            return
        # The first ones of what was trimmed may be deposed owners': then their successor is of a later epoch.
        rises = self._count > 1 and epoch > self._epoch
        if self._count == 1:
            self._is_known = sequence == 1
        elif previous == self._hash:
            self._is_known = self._is_known or rises  # nobody begins behind a deposed owner's
        elif self._is_known or not rises or self._count > 1 + VOID_MAX:
            raise _broken(f"batch {sequence} does not follow the batch before it")
        self._epoch, self._hash = epoch, own


def _broken(what: str) -> JournalCorrupt:
    return JournalCorrupt(
        f"the journal can't be trusted: {what}. Nothing was changed. Restore the journal's stream from a backup or "
        "another replica."
    )
