"""What is said of bytes that can't be trusted: what is wrong with them, and what to do."""

from __future__ import annotations

from hanzo_queues._core import BatchError
from hanzo_queues.server.journal.base import JournalCorrupt

START_THE_NEWER = "Nothing was changed. Start the newer server again."


def untrusted_batch(which: str, error: BatchError) -> JournalCorrupt:
    """`which` batch it is. One of a format that is not known yet is whole: its reader is missing."""
    advice = "Nothing was changed. Restore the journal's stream from a backup or another replica."
    return JournalCorrupt(
        f"journal batch {which} can't be trusted: {error}. {START_THE_NEWER if error.reason == 'version' else advice}"
    )
